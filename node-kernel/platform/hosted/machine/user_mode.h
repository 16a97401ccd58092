// There is no user mode in a hosted test: what would enter it, or leave a stack for good, throws
// nothing and returns nowhere, so tests of the scheduler stop short of it.
#pragma once

#include "machine/log.h"
#include "machine/trap_frame.h"

namespace k42::machine {

[[noreturn]] inline void EnterUser(const TrapFrame&, std::uint64_t, std::uint64_t) {
  Panic("user mode in a hosted test");
}
[[noreturn]] inline void ReturnToLoop() {
  Panic("a pool thread's loop in a hosted test");
}

}  // namespace k42::machine
