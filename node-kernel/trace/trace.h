// Recording: trace::Log(trace::kPageFault, address, error).
//
// Any context, any CPU; a record goes to the CPU's own buffer. Costs a load and a test while its
// class is off, under 30 instructions while it is on. Everything is off, and nothing is recorded,
// until boot/ has given the CPUs their buffers. What a buffer holds can be read while the node runs
// (VisitLast takes no lock and may be called from anywhere), after a panic (PrintLast), and by the
// companion host out of the node's memory (abi/trace_area.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "abi/trace_area.h"
#include "abi/trace_catalogue.h"
#include "abi/trace_reader.h"
#include "machine/cpu.h"
#include "machine/local_atomic.h"
#include "machine/trace_buffer.h"
#include "platform/contract/types.h"

// The symbol that debuggers and the host look for.
extern "C" k42::trace::TraceArea k42_trace_area;

namespace k42::trace {

using CpuBuffer = EventBuffer<machine::LocalAtomic, kCpuBlockBytes, kTraceBlocks>;
using CpuReader = InPlace<machine::LocalAtomic, CpuBuffer>;
inline constexpr std::size_t kBufferBytes = sizeof(CpuBuffer);
static_assert(kBufferBytes == kTraceHeadBytes + kCpuBlockBytes * kTraceBlocks);

inline bool IsOn(Class c) {
  return (k42_trace_area.mask.load(std::memory_order_relaxed) & MaskOf(c)) != 0;
}

// The arguments are evaluated whether it is on or not: pass what is at hand.
template <typename... Args>
[[gnu::always_inline]] inline void Log(const Event<Args...>& event,
                                       std::type_identity_t<Args>... args) {
  if (IsOn(event.info.event_class)) [[unlikely]] {
    static_cast<CpuBuffer*>(machine::TraceBuffer())
        ->Write(
            event.header(), [] { return machine::CycleCount(); },
            static_cast<std::uint64_t>(args)...);
  }
}

// Whose time this CPU is running from now on, for readers that come in the middle: a process's
// number, 0 for nobody's.
inline void SetContext(std::uint64_t process) {
  if (auto* buffer = static_cast<CpuBuffer*>(machine::TraceBuffer()))
    buffer->SetContext(process);
}

// Gives `cpu` its buffer: kBufferBytes of zeroed memory, page-aligned, at that physical address.
// Once per CPU, before anything is recorded.
void Start(machine::CpuId cpu, void* memory, machine::PhysAddr address);
// The clock's parameters, once they are final.
void PublishClock();

// Which classes are recorded: MaskOf bits. Nothing happens before all CPUs have their buffers.
void SetMask(std::uint32_t mask);
std::uint32_t GetMask();
// `copy` follows the mask from now on: what programs look at. Once, at boot.
void CopyMaskTo(std::atomic<std::uint32_t>* copy);
// "all", or class names separated by commas ("thread,interrupt"), or nothing. No value: a name is
// unknown.
std::optional<std::uint32_t> ParseMask(std::string_view names);
// The reverse; returns the size, cut to the buffer. Without the class that is always on.
std::size_t MaskNames(std::uint32_t mask, std::span<char> text);

// The buffer of `cpu`, or null.
const CpuBuffer* BufferOf(machine::CpuId cpu);

// Calls visit(record) for the last `count` events of `cpu`, oldest first. From any CPU and any
// context, others' buffers included, whether they run, hang or have stopped.
template <typename Visitor>
void VisitLast(machine::CpuId cpu, std::uint64_t count, Visitor visit) {
  const CpuBuffer* buffer = BufferOf(cpu);
  if (buffer == nullptr)
    return;
  CpuReader memory(*buffer);
  BufferReader<CpuReader> reader(memory, kCpuBlockBytes, kTraceBlocks);
  ReadState counted;
  reader.Visit(counted, true, [](const Record&) {});
  const std::uint64_t from = counted.next_event > count ? counted.next_event - count : 0;
  ReadState state;
  reader.Visit(state, true, [&](const Record& record) {
    if (record.sequence >= from)
      visit(record);
  });
}

// The last `count` records of each CPU, to the log.
void PrintLast(std::uint32_t count);

}  // namespace k42::trace
