// Running user code on pool threads (the loop: scheduler.h).
//
// A pool thread enters user mode by EnterUser; the trap that comes back runs on the same stack from
// its top, so nothing of the thread's former stack is kept across user mode. A trap handler ends by
// returning (the frame, possibly changed, is resumed: the exit path first runs waiting interrupt
// work and ready threads) or by ReturnToLoop, when the dispatcher must wait or another one shall
// run.
#pragma once

#include "machine/trap_frame.h"

namespace k42::machine {

// Pool thread, interrupts off. Registers as in the frame; %gs base is `user_gs`, %fs base
// `user_fs`. Vector state must be loaded already. `frame` may lie anywhere.
[[noreturn]] void EnterUser(const TrapFrame& frame, std::uint64_t user_fs, std::uint64_t user_gs);

// Abandons the stack of this pool thread (no lock, no object on it that needs a destructor) and
// goes back to the CPU loop, which asks UserHooks::run_user again.
[[noreturn]] void ReturnToLoop();

}  // namespace k42::machine
