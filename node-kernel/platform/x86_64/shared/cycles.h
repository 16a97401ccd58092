// The cycle counter, of the kernel and of programs.
#pragma once

#include <cstdint>

namespace k42::machine {

inline std::uint64_t CycleCount() {
  std::uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return std::uint64_t{high} << 32 | low;
}

}  // namespace k42::machine
