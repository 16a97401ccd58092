// Linux's clocks over the two we have.
#pragma once

#include <cstdint>

namespace k42::personality {

// Nanoseconds now; negative: no such clock.
std::int64_t ReadClock(std::uint32_t clock);
// When a clock shows `ns`, on the monotonic clock; 0: that clock cannot be waited for.
std::uint64_t MonotonicFor(std::uint32_t clock, std::int64_t ns);

}  // namespace k42::personality
