#include "trace/trace.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "abi/trace_text.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "machine/trace_buffer.h"

extern "C" {
constinit k42::trace::TraceArea k42_trace_area = {
    {k42::trace::kAreaMagic[0], k42::trace::kAreaMagic[1]},
    k42::trace::kAreaVersion,
    sizeof(k42::trace::TraceArea),
    0,
    0,
    1,
    0,
    0,
    0,
    {},
    {}};
}

namespace k42::trace {

// What the host reads lies where it looks for it.
struct LayoutCheck {
  static_assert(offsetof(CpuBuffer, state_) == kStateAt &&
                offsetof(CpuBuffer, events_) == kEventsAt &&
                offsetof(CpuBuffer, position_) == kPositionAt &&
                offsetof(CpuBuffer, dropped_) == kDroppedAt &&
                offsetof(CpuBuffer, context_) == kContextAt &&
                offsetof(CpuBuffer, committed_) == kCommittedAt &&
                offsetof(CpuBuffer, words_) == CpuBuffer::kHeadBytes);
};
static_assert(kAreaMaxCpus == machine::kMaxCpus);

namespace {
constinit CpuBuffer* buffers[machine::kMaxCpus] = {};
constinit std::atomic<std::uint32_t>* mask_copy = nullptr;
}  // namespace

void Start(machine::CpuId cpu, void* memory, machine::PhysAddr address) {
  buffers[cpu] = static_cast<CpuBuffer*>(memory);
  machine::SetTraceBuffer(cpu, memory);
  k42_trace_area.buffers[cpu] = address;
  k42_trace_area.cpus = std::max(k42_trace_area.cpus, cpu + 1);
}

void PublishClock() {
  const machine::ClockParameters clock = machine::GetClockParameters();
  k42_trace_area.mult = clock.mult;
  k42_trace_area.shift = clock.shift;
  k42_trace_area.base_cycles = clock.base_tsc;
  k42_trace_area.base_ns = clock.base_ns;
}

void SetMask(std::uint32_t mask) {
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    if (buffers[cpu] == nullptr)
      return;
  }
  k42_trace_area.mask.store(mask | MaskOf(Class::kControl), std::memory_order_relaxed);
  if (mask_copy != nullptr)
    mask_copy->store(GetMask(), std::memory_order_relaxed);
  Log(kMaskChanged, mask);
}

void CopyMaskTo(std::atomic<std::uint32_t>* copy) {
  mask_copy = copy;
  copy->store(GetMask(), std::memory_order_relaxed);
}

std::uint32_t GetMask() {
  return k42_trace_area.mask.load(std::memory_order_relaxed);
}

std::optional<std::uint32_t> ParseMask(std::string_view names) {
  std::uint32_t mask = 0;
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    const std::string_view name(names.data(), comma);
    bool known = false;
    for (std::uint32_t i = 0; i < kClassCount; ++i) {
      if (name == kClassNames[i] || name == "all") {
        mask |= 1u << i;
        known = true;
      }
    }
    if (!known)
      return std::nullopt;
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return mask;
}

std::size_t MaskNames(std::uint32_t mask, std::span<char> text) {
  std::size_t size = 0;
  for (std::uint32_t i = 1; i < kClassCount; ++i) {
    if ((mask & 1u << i) != 0)
      size += Format(text.subspan(size), "{}{}", size == 0 ? "" : ",", kClassNames[i]);
    size = std::min(size, text.size());
  }
  return size;
}

const CpuBuffer* BufferOf(machine::CpuId cpu) {
  return buffers[cpu];
}

void PrintLast(std::uint32_t count) {
  const machine::ClockParameters clock = machine::GetClockParameters();
  for (machine::CpuId cpu = 0; cpu < k42_trace_area.cpus; ++cpu) {
    VisitLast(cpu, count, [&](const Record& record) {
      using Wide = unsigned __int128;
      const auto ns = static_cast<std::uint64_t>(Wide{record.time - clock.base_tsc} * clock.mult >>
                                                 clock.shift) +
                      clock.base_ns;
      char text[160];
      const std::size_t size = Describe(record.header, record.arguments, text);
      machine::Log("trace {2} {12} ns {}", cpu, ns, std::string_view(text, size));
    });
  }
}

}  // namespace k42::trace
