// The machine's page-table format, with the instructions simulated: a test walks real tables in
// heap memory, and asks what was invalidated.
//
// Four levels of 512 entries. Entries are written with plain 64-bit stores; the walker may read at
// any time, and sets accessed and dirty bits on its own.
#pragma once

#include <cstdint>
#include <cstring>

#include "machine/phys.h"

namespace k42::machine {

using PageTableEntry = std::uint64_t;

inline constexpr unsigned kPageTableLevels = 4;
inline constexpr unsigned kEntriesPerTable = 512;
inline constexpr unsigned kFirstKernelSlot = 256;  // root slots 256..511 are the kernel's, shared

inline constexpr PageTableEntry kPtePresent = 1ull << 0;
inline constexpr PageTableEntry kPteWritable = 1ull << 1;
inline constexpr PageTableEntry kPteUser = 1ull << 2;
inline constexpr PageTableEntry kPteWriteThrough = 1ull << 3;
inline constexpr PageTableEntry kPteUncached = 1ull << 4;
inline constexpr PageTableEntry kPteAccessed = 1ull << 5;
inline constexpr PageTableEntry kPteDirty = 1ull << 6;
inline constexpr PageTableEntry kPteLarge = 1ull << 7;  // levels 2 (2 MiB) and 3 (1 GiB)
inline constexpr PageTableEntry kPteGlobal = 1ull << 8;
inline constexpr PageTableEntry kPteSoftware0 = 1ull << 9;  // free for mem
inline constexpr PageTableEntry kPteSoftware1 = 1ull << 10;
inline constexpr PageTableEntry kPteNoExecute = 1ull << 63;
inline constexpr PageTableEntry kPteAddressMask = 0x000f'ffff'ffff'f000;

constexpr PhysAddr PteAddress(PageTableEntry entry) {
  return entry & kPteAddressMask;
}

// Index into the table of `level` (4 = root .. 1 = leaf tables).
constexpr unsigned PageTableIndex(std::uint64_t address, unsigned level) {
  return static_cast<unsigned>(address >> (kPageShift + 9 * (level - 1))) & (kEntriesPerTable - 1);
}

PhysAddr KernelRoot();
PhysAddr CurrentRoot();
void SwitchRoot(PhysAddr root);
void InvalidatePage(std::uint64_t address);
void InvalidateAllUser();

// Hosted only: invalidations of this host thread so far.
std::uint64_t InvalidationCount();

inline void ClearPage(void* page) {
  std::memset(page, 0, kPageSize);
}
inline void CopyPage(void* destination, const void* source) {
  std::memcpy(destination, source, kPageSize);
}

}  // namespace k42::machine
