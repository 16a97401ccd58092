// The time page: read-only, mapped at kTimePageAddress in every process: the clock without a call,
// and what is traced.
//
// ns = base_ns + ((tsc - base_tsc) * mult >> shift), retried while `sequence` is odd or changed.
#pragma once

#include <atomic>
#include <cstdint>

#include "abi/dispatcher_page.h"

namespace k42::abi {

struct alignas(kPageSize) TimePage {
  std::atomic<std::uint32_t> sequence;
  std::uint32_t shift;
  std::uint64_t mult;
  std::uint64_t base_tsc;
  std::uint64_t monotonic_base_ns;
  std::int64_t realtime_offset_ns;  // realtime = monotonic + this
  // Which classes of events are recorded: programs record their own, too (abi/trace_catalogue.h).
  std::atomic<std::uint32_t> trace_mask;
};

// Both clocks at one moment.
struct ClockReading {
  std::uint64_t monotonic_ns;
  std::int64_t realtime_offset_ns;
  std::int64_t realtime_ns() const {
    return static_cast<std::int64_t>(monotonic_ns) + realtime_offset_ns;
  }
};

// `cycle_count()`: the CPU's time-stamp counter, now.
template <typename CycleCount>
inline ClockReading ReadTimePage(const TimePage& page, CycleCount cycle_count) {
  for (;;) {
    const std::uint32_t sequence = page.sequence.load(std::memory_order_acquire);
    const std::uint64_t elapsed = cycle_count() - page.base_tsc;
    const auto scaled = static_cast<std::uint64_t>(
        static_cast<unsigned __int128>(elapsed) * page.mult >> page.shift);
    const ClockReading reading{page.monotonic_base_ns + scaled, page.realtime_offset_ns};
    std::atomic_thread_fence(std::memory_order_acquire);
    if ((sequence & 1) == 0 && page.sequence.load(std::memory_order_relaxed) == sequence)
      return reading;
  }
}

// The one in this address space.
inline const TimePage& OwnTimePage() {
  return *reinterpret_cast<const TimePage*>(kTimePageAddress);
}

}  // namespace k42::abi
