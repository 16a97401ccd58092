// ShootDown: runs a short function on each of a set of CPUs and blocks until all have done so.
//
// One message to each; the last to finish wakes the caller, by message too. In rounds of
// kTargetsPerRound, so that the messages fit on the caller's stack. `work` runs in thread context
// on the other CPU's event loop and must not block.
#pragma once

#include "base/cpu_set.h"

namespace k42::mem {

inline constexpr std::uint32_t kTargetsPerRound = 16;

void ShootDown(CpuSet cpus, void (*work)(void*), void* argument);

}  // namespace k42::mem
