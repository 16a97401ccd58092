// Memory before there is a frame allocator: pages are cut from the start of the lowest large RAM
// range above the kernel image and never given back. After SetFrameSource pages come from there.
#pragma once

#include "machine/boot_info.h"
#include "platform/x86_64/shared/phys_ranges.h"

namespace k42::machine {

// All RAM but the image and the first MiB.
void StartEarlyMemory(const PhysRanges& free);
// Takes a range out that turns out to be somebody else's (the arena); nothing was cut from it yet.
void ReserveMemory(PhysRange range);

// Zeroed. Panics when early memory is exhausted.
PhysAddr AllocateEarly(std::uint64_t pages);

// From early memory or, once there is one, the frame source; 0 when there is none.
PhysAddr AllocatePlatformPage();
void FreePlatformPage(PhysAddr page);

}  // namespace k42::machine
