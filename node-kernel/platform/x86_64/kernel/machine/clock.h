// Time since boot. Monotonic and the same on every CPU.
#pragma once

#include <cstdint>

namespace k42::machine {

std::uint64_t MonotonicNs();

// Parameters of the conversion, for the time page that user space reads without a call:
// ns = base_ns + ((tsc - base_tsc) * mult >> shift). Constant after the clock has started.
struct ClockParameters {
  std::uint64_t mult;
  std::uint32_t shift;
  std::uint64_t base_tsc;
  std::uint64_t base_ns;
};
ClockParameters GetClockParameters();

// Nanoseconds since 1970 when MonotonicNs() was 0, from the machine's real-time clock, which tells
// whole seconds. Read once, when the clock has been calibrated: it is the same for every caller.
std::uint64_t BootRealtimeNs();

}  // namespace k42::machine
