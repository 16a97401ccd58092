// Event: the type of one kind of trace record, and the words a record consists of.
//
// A record is 64-bit words:
//   header     bits 31-20 words in all, 19-14 class, 13-0 number in the catalogue; the rest 0
//   time       the CPU's cycle counter (TraceArea has its conversion)
//   arguments  one word each
// A filler (kFiller) has only its header.
#pragma once

#include <cstdint>
#include <type_traits>

namespace k42::trace {

// One bit each in the mask that says what is recorded.
enum class Class : std::uint8_t {
  kControl = 0,  // of the buffers themselves: always on
  kThread,       // the kernel's threads: switches, wake-ups
  kInterrupt,    // interrupts, timers, messages between CPUs
  kSchedule,     // dispatchers: when which process has a CPU
  kMemory,       // faults, shoot-downs
  kIpc,          // native calls
  kObject,       // clustered objects: made, destroyed, missed, swapped
  kProcess,      // processes: made, started again, ended
  kFile,
  kStream,  // pipes, sockets, terminals
  kLink,    // operations of the fabric: submitted, ended; messages received
  kGlobal,  // calls between nodes, the view
  kUser,    // what programs record, in buffers of their own
};
inline constexpr std::uint32_t kClassCount = 13;
inline constexpr const char* kClassNames[kClassCount] = {
    "control", "thread", "interrupt", "schedule", "memory", "ipc",  "object",
    "process", "file",   "stream",    "link",     "global", "user",
};
constexpr std::uint32_t MaskOf(Class c) {
  return 1u << static_cast<std::uint32_t>(c);
}

// What the catalogue knows of an event; `format` has one placeholder per argument (base/format.h).
struct EventInfo {
  Class event_class;
  std::uint16_t number;
  std::uint8_t arguments;
  const char* name;
  const char* format;
};

inline constexpr std::uint32_t kMaxArguments = 8;
inline constexpr std::uint32_t kRecordWords = 2;  // beside the arguments

struct Header {
  std::uint32_t words;
  std::uint32_t event_class;
  std::uint32_t number;

  constexpr std::uint32_t Pack() const {
    return (words & 0xfff) << 20 | (event_class & 0x3f) << 14 | (number & 0x3fff);
  }
  static constexpr Header Unpack(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word >> 20 & 0xfff),
            static_cast<std::uint32_t>(word >> 14 & 0x3f),
            static_cast<std::uint32_t>(word & 0x3fff)};
  }
};

template <typename... Args>
requires((std::is_integral_v<Args> || std::is_enum_v<Args>)&&...) struct Event {
  static_assert(sizeof...(Args) <= kMaxArguments);
  EventInfo info;
  constexpr Event(Class event_class, std::uint16_t number, const char* name, const char* format)
      : info{event_class, number, sizeof...(Args), name, format} {}
  constexpr std::uint32_t header() const {
    return Header{kRecordWords + sizeof...(Args), static_cast<std::uint32_t>(info.event_class),
                  info.number}
        .Pack();
  }
};

}  // namespace k42::trace
