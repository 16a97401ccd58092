// SysV shared memory at the ends of a process: shared_memory.cc.
#pragma once

namespace k42::personality {

// The process ends or execs: segments it has removed go for good.
void DetachSharedMemory();
// In a forked child: it has attached what its parent has; what that has removed stays the parent's
// to clean up.
void InheritSharedMemory();

}  // namespace k42::personality
