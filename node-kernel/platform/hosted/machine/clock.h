// Time since the test program started.
#pragma once

#include <cstdint>

namespace k42::machine {

std::uint64_t MonotonicNs();

struct ClockParameters {
  std::uint64_t mult;
  std::uint32_t shift;
  std::uint64_t base_tsc;
  std::uint64_t base_ns;
};
ClockParameters GetClockParameters();

std::uint64_t BootRealtimeNs();

}  // namespace k42::machine
