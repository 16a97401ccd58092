// The kernel's one FrameAllocator and Heap, over the memory that nobody used while booting.
#pragma once

#include "mem/services.h"

namespace k42::boot {

// After ACPI (the arena must be known). From here on the platform takes its pages from mem.
void StartMemory();

mem::FrameAllocator& Frames();
mem::MemoryServices& MemoryServices();

}  // namespace k42::boot
