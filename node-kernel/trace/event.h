// Event: the type of one kind of trace record, and the word every record begins with.
//
// A record is 64-bit words: a header, then one word per argument.
//   header: bits 63-32 timestamp (low half of nanoseconds since boot), 31-20 words in all, 19-14
//   class, 13-0 number in the catalogue. The full time stands in the kBlockStart record that begins
//   each block of a buffer; a block is expected to fill within the 4.3 s after which the low half
//   wraps (else times within it are off by multiples of that).
#pragma once

#include <cstdint>
#include <type_traits>

namespace k42::trace {

// One bit each in the mask that says what is recorded.
enum class Class : std::uint8_t {
  kControl = 0,  // of the buffers themselves: always on
  kThread,       // switches, wake-ups
  kInterrupt,    // interrupts, timers, messages between CPUs
  kSchedule,     // dispatchers
  kMemory,       // faults, frames, shoot-downs
  kIpc,          // native calls
  kObject,       // clustered objects: misses, grace periods, hot swap
  kProcess,
  kFile,
  kStream,  // pipes, sockets, terminals
  kLink,    // doorbells, fabric operations
  kGlobal,  // calls between nodes, the view
  kUser,    // what programs record
};
inline constexpr std::uint32_t kClassCount = 13;
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

template <typename... Args>
requires((std::is_integral_v<Args> || std::is_enum_v<Args>)&&...) struct Event {
  EventInfo info;
  constexpr Event(Class event_class, std::uint16_t number, const char* name, const char* format)
      : info{event_class, number, sizeof...(Args), name, format} {}
};

struct Header {
  std::uint32_t time;
  std::uint32_t words;
  std::uint32_t event_class;
  std::uint32_t number;

  constexpr std::uint64_t Pack() const {
    return std::uint64_t{time} << 32 | (words & 0xfff) << 20 | (event_class & 0x3f) << 14 |
           (number & 0x3fff);
  }
  static constexpr Header Unpack(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word >> 20 & 0xfff),
            static_cast<std::uint32_t>(word >> 14 & 0x3f),
            static_cast<std::uint32_t>(word & 0x3fff)};
  }
};
inline constexpr std::uint32_t kMaxArguments = 8;

}  // namespace k42::trace
