// SteppedRange: code into which a debug kernel that was started with `inject=N` puts timer
// interrupts on purpose. At every thirteenth pass the CPU's trap flag is set while such an object
// lives; after the n-th instruction the CPU sends itself a timer interrupt, and the rest runs at
// full speed. n goes round from 1 to N, so that over many passes every instruction has been the
// last one before an interrupt. With interrupts off it comes at the first moment they are on.
//
// A range must not give up the CPU. Ranges within ranges belong to the outer one. In the same way
// every fifth return to user code is followed for n instructions; then the dispatcher is told that
// the CPU is wanted, which is an upcall if it is enabled (UserHooks::inject).
//
// The trap flag of user code is the kernel's then: one that a program sets is taken away when the
// program is left, and its debug traps are swallowed (stepping.cc). Who single-steps itself gets no
// signals for it.
//
// Without the option a range costs a load and a test, in other than debug kernels nothing.
#pragma once

#include <cstdint>

#include "base/assert.h"

namespace k42::machine {

// 0: none. Any time.
void SetInjection(std::uint32_t most_instructions);
std::uint32_t Injection();
// Interrupts and upcalls put in so far, by all CPUs.
std::uint64_t InjectedInterrupts();
std::uint64_t InjectedUpcalls();

class SteppedRange {
 public:
  SteppedRange() {
    if constexpr (kDebugChecks) {
      Begin();
    }
  }
  ~SteppedRange() {
    if constexpr (kDebugChecks) {
      End();
    }
  }
  SteppedRange(const SteppedRange&) = delete;
  SteppedRange& operator=(const SteppedRange&) = delete;

 private:
  void Begin();
  void End();
  bool counted_ = false;  // injection was on when it began
};

}  // namespace k42::machine
