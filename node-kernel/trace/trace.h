// Recording: trace::Log(trace::kPageFault, address, error).
//
// Any context, any CPU; a record goes to the CPU's own buffer. Costs a load and a test while its
// class is off. Everything is off, and nothing is recorded, until boot/ has given a CPU its buffer.
// What a buffer holds can be read while the node runs (ForEach), after a panic (PrintLast), and by
// the companion host out of the node's memory (struct Area).
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "platform/contract/types.h"
#include "trace/catalogue.h"
#include "trace/event_buffer.h"

namespace k42::trace {

namespace detail {
extern constinit std::atomic<std::uint32_t> mask;
void Write(const EventInfo& info, std::span<const std::uint64_t> arguments);
}  // namespace detail

inline bool IsOn(Class c) {
  return (detail::mask.load(std::memory_order_relaxed) & MaskOf(c)) != 0;
}

template <typename... Args>
void Log(const Event<Args...>& event, std::type_identity_t<Args>... args) {
  static_assert(sizeof...(Args) <= kMaxArguments);
  if (IsOn(event.info.event_class)) [[unlikely]] {
    if constexpr (sizeof...(Args) == 0) {
      detail::Write(event.info, {});
    } else {
      const std::uint64_t words[] = {static_cast<std::uint64_t>(args)...};
      detail::Write(event.info, words);
    }
  }
}

using CpuBuffer = EventBuffer<>;

// Where the host finds the buffers: the kernel's symbol k42_trace_area. Sizes in words.
struct Area {
  char magic[8];  // "K42TRACE"
  std::uint32_t version;
  std::uint32_t block_words;
  std::uint32_t blocks;
  std::uint32_t cpus;
  CpuBuffer* buffers[machine::kMaxCpus];  // kernel addresses; null: none
};

// Gives `cpu` its buffer: `memory` holds the CpuBuffer, then its kWords zeroed words. Once per CPU.
inline constexpr std::size_t kBufferBytes =
    sizeof(CpuBuffer) + CpuBuffer::kWords * sizeof(std::uint64_t);
void Start(machine::CpuId cpu, void* memory);

// Which classes are recorded: MaskOf bits.
void SetMask(std::uint32_t mask);
std::uint32_t GetMask();
// "all", or class names separated by commas ("thread,interrupt"); unknown names are ignored.
std::uint32_t ParseMask(std::string_view names);
// The reverse; returns the size, cut to the buffer. Without the class that is always on.
std::size_t MaskNames(std::uint32_t mask, std::span<char> text);

// The buffer of `cpu`, or null.
const CpuBuffer* BufferOf(machine::CpuId cpu);

// The text of one record, as `name: arguments`; returns its size, cut to the buffer.
std::size_t Describe(const Header& header, std::span<const std::uint64_t> arguments,
                     std::span<char> text);

// The last `count` records of each CPU, to the log.
void PrintLast(std::uint32_t count);

}  // namespace k42::trace
