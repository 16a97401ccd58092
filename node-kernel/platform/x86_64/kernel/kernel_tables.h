// The kernel's half of every address space: built once at boot, extended under a lock.
#pragma once

#include "base/result.h"
#include "machine/page_table.h"
#include "platform/x86_64/shared/phys_ranges.h"

namespace k42::machine {

// Builds the tables (direct map of `ram`, kernel image with each segment's own permissions) and
// switches to them. The low half is empty from then on.
void StartKernelTables(std::span<const PhysRange> ram);

// Maps one page; intermediate tables are made as needed. kNoMemory, kAlreadyExists.
Status MapKernelPage(std::uint64_t address, PhysAddr page, PageTableEntry flags);

// The entry of `address`, zero if unmapped (or mapped by a large page).
PageTableEntry KernelPageEntry(std::uint64_t address);

// Allocates and maps zeroed pages over [address, address + size).
Status MapKernelMemory(std::uint64_t address, std::uint64_t size);

}  // namespace k42::machine
