// The kernel's one FrameAllocator and Heap, over the memory that nobody used while booting.
#pragma once

#include "mem/debug_heap.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::boot {

// After ACPI (the arena must be known). From here on the platform takes its pages from mem.
void StartMemory();

mem::FrameAllocator& Frames();
// The heap itself, for its statistics. In debug builds TheHeap() is the debug heap around it.
mem::Heap& KernelHeap();
// Null but in debug builds.
mem::DebugHeap* KernelDebugHeap();
mem::MemoryServices& MemoryServices();

}  // namespace k42::boot
