// The kernel's one FrameAllocator, Heap and MemoryServices, over the memory that nobody used while
// booting.
#pragma once

#include "mem/services.h"

namespace k42::boot {

// After ACPI (the arena must be known). From here on the platform takes its pages from mem.
void StartMemory();

mem::MemoryServices& Memory();  // .frames: the FrameAllocator

}  // namespace k42::boot
