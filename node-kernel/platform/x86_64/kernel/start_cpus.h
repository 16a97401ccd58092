// Bringing processors into the kernel.
#pragma once

#include "base/status.h"
#include "platform/contract/types.h"

namespace k42::machine {

// Maps the area of `cpu`: CpuArea, critical stacks, the object table's first slots.
void MapCpuArea(CpuId cpu, std::uint32_t apic_id);

// The boot CPU moves from its provisional area to its own.
void StartBootCpu();

// Starts all other processors that ACPI lists, and returns when each is in its loop. One that does
// not come is named in the log and left out, one that comes and gets stuck is a panic.
void StartOtherCpus();

// Nothing uses the old interrupt controller. The firmware may leave a timer interrupt pending
// there, routed through the local APIC: mask it before StartLapic closes that way, or the request
// stays and has no vector.
void MaskPic();

}  // namespace k42::machine
