// The kernel's one FrameAllocator and Heap, over the memory that nobody used while booting.
#pragma once

#include "mem/frame_allocator.h"

namespace k42::boot {

// After ACPI (the arena must be known). From here on the platform takes its pages from mem.
void StartMemory();

mem::FrameAllocator& Frames();

}  // namespace k42::boot
