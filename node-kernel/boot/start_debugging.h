// Start list: what helps when the node does not do as it should: the watchdog, the debug console's
// keys, and the check that the grace token moves.
#pragma once

namespace k42::boot {

// After StartObjects, with all CPUs running and interrupts on.
void StartDebugging();

}  // namespace k42::boot
