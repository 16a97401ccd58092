// There is no user mode in a hosted test. What would enter it, or leave a stack for good, is told
// to whoever plays it, who must not come back either (Thread::Exit); without, tests of the
// scheduler stop short of it.
#pragma once

#include "machine/log.h"
#include "machine/trap_frame.h"

namespace k42::machine {

// Set before anything runs.
struct UserMode {
  void (*enter)(const TrapFrame&) = nullptr;
  void (*leave)() = nullptr;
};
inline constinit UserMode played_user_mode = {};

[[noreturn]] inline void EnterUser(const TrapFrame& frame, std::uint64_t, std::uint64_t) {
  if (played_user_mode.enter != nullptr)
    played_user_mode.enter(frame);
  Panic("user mode in a hosted test");
}
[[noreturn]] inline void ReturnToLoop() {
  if (played_user_mode.leave != nullptr)
    played_user_mode.leave();
  Panic("a pool thread's loop in a hosted test");
}

}  // namespace k42::machine
