// How long spin locks were held, by site: debug kernels record the longest hold of each, and say so
// when they end, with boot option holds=N. In a kernel whose instructions are counted (run.py
// --icount) a cycle is an instruction; more than N of them is a fault where the place does not say
// why (HoldReason), and more than what its reason allows.
#pragma once

#include <cstdint>

namespace k42::boot {

struct SpinHolds {
  std::uint32_t sites = 0;      // that held a lock
  std::uint32_t explained = 0;  // longer than the limit, and within what they say
  std::uint32_t longer = 0;     // faults
  std::uint64_t overhead = 0;   // of the recording, within each hold
};

// Boot option holds; 0: it is not there.
std::uint64_t SpinHoldLimit();

// Logs each hold over the limit, and the sums. Debug kernels, thread context.
SpinHolds ReportSpinHolds();

}  // namespace k42::boot
