// Single steps for machine/stepped_range.h: what trap entry and exit do about them. Debug kernels.
#pragma once

#include "machine/trap_frame.h"

namespace k42::machine {

// A debug trap. False: none of ours. From user code: the frame's trap flag is gone when it was the
// last step, and an upcall has been asked for.
bool OnStep(TrapFrame* frame);

// User code has been left: what is saved of it must not show the trap flag.
void ForgetUserSteps(TrapFrame* frame);
// User code is about to go on.
void StepUser(TrapFrame* frame);

}  // namespace k42::machine
