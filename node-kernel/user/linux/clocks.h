// Linux's clocks over the two we have.
#pragma once

#include <cstdint>

namespace k42::personality {

struct Thread;

// Nanoseconds now; negative: no such clock.
std::int64_t ReadClock(std::uint32_t clock);
// When a clock shows `ns`, on the monotonic clock; 0: that clock cannot be waited for.
std::uint64_t MonotonicFor(std::uint32_t clock, std::int64_t ns);

// cpu_clocks.cc: CPU time used. Whether the number is such a clock's, by its form.
bool IsCpuClock(std::uint32_t clock);
// Negative: no such process, or no such thread of this one.
std::int64_t ReadCpuClock(std::uint32_t clock);
// The clock as others would name it: `clock` may mean the thread that asks, or its process.
std::uint32_t CpuClockOf(const Thread& thread, std::uint32_t clock);
std::uint32_t ProcessCpuClock(std::int32_t pid);

}  // namespace k42::personality
