// What the host's signal handlers share with the seam.
#pragma once

#include <cstdint>

#include "abi/native_call.h"
#include "proc/process.types.h"

namespace k42::host {

using kernel_handles_t = abi::Handle[4];

// Again after fork: neither dispatch nor timers are inherited.
void Prepare();
void ArmHostTimer(std::uint64_t deadline_ns);

// From handlers.
void PostSignal(const proc::SignalInfo& info);
void FireChildTickets();
// The oldest one posted; false: none.
bool TakePosted(proc::SignalInfo* info);

}  // namespace k42::host
