// NUMA nodes as the frame allocator numbers them: densely, from what the firmware says of memory
// and processors (SRAT). A machine whose firmware says nothing has one node.
#pragma once

#include <span>

#include "machine/boot_info.h"
#include "mem/frame_allocator.h"

namespace k42::boot {

// Cuts `ranges` where nodes meet and says to which each piece belongs; returns how many pieces, at
// most pieces.size(). More nodes than the allocator has pools share the last one.
std::size_t SplitByNode(std::span<const machine::PhysRange> ranges,
                        std::span<mem::MemoryRange> pieces);

// When all CPUs have started: each takes its frames from its own node.
void AssignCpusToNodes();

}  // namespace k42::boot
