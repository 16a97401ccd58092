// The PVH start information that the boot loader (QEMU) leaves, and what we make of it.
#pragma once

#include <cstdint>

#include "machine/boot_info.h"
#include "platform/x86_64/shared/acpi.h"

namespace k42::machine {

// Step 1: copies command line and memory map out of the start information (physical address), which
// may lie anywhere below 1 GiB. Uses the boot tables' direct map.
void ReadStartInfo(std::uint32_t start_info);

// All RAM, including what is not free; and without the image and the first MiB.
std::span<const PhysRange> RamRanges();
PhysRanges FreeRam();

// Step 2, with the direct map in place: ACPI, and by it the arena, which early memory loses.
void ReadFirmwareTables();
const AcpiInfo& GetAcpi();

}  // namespace k42::machine
