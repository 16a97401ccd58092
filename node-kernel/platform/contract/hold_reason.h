// HoldReason: why a spin lock is held for longer than a few instructions, said where it is taken:
//
//   constexpr machine::HoldReason kOneBatch{700, "16 entries, each looked up"};
//   const machine::SpinGuard guard(lock_, kOneBatch);
//
// Debug kernels record the longest hold of each place; the test guest/spin_holds fails for one
// over 50 instructions without a reason, or over what its reason allows. No code in other kernels.
#pragma once

#include <cstdint>

namespace k42::machine {

struct HoldReason {
  std::uint32_t most;  // instructions, without those that debug kernels add
  const char* why;
};

}  // namespace k42::machine
