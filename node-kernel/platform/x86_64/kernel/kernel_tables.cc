#include "kernel_tables.h"

#include "base/assert.h"
#include "early_memory.h"
#include "instructions.h"
#include "machine/kernel_layout.h"
#include "machine/spin_lock.h"

extern "C" {
extern const char kernel_begin[], kernel_text_end[], kernel_rodata_end[], kernel_data_end[],
    kernel_end[];
}

namespace k42::machine {
namespace {

constexpr PageTableEntry kReadWrite = kPtePresent | kPteWritable | kPteGlobal | kPteNoExecute;
constexpr std::uint64_t kLargePage = 2 << 20;
constexpr std::uint64_t kHugePage = 1 << 30;

constexpr HoldReason kTables{13'000,
                             "one entry is found; up to three tables for it are taken and cleared, "
                             "from a new chunk of frames"};
constinit SpinLock<LockRank::kKernelTables> tables_lock;
constinit PhysAddr kernel_root = 0;  // constant after StartKernelTables
constinit std::uint64_t device_next K42_GUARDED_BY(tables_lock) = kDeviceAreaBase;

PageTableEntry* Table(PhysAddr table) {
  return PhysToVirt<PageTableEntry>(table);
}

// The entry for `address` in the table of `level`, making tables on the way; null without memory.
PageTableEntry* EntryFor(std::uint64_t address, unsigned level) {
  PhysAddr table = kernel_root;
  for (unsigned at = kPageTableLevels; at > level; --at) {
    PageTableEntry& entry = Table(table)[PageTableIndex(address, at)];
    if ((entry & kPtePresent) == 0) {
      const PhysAddr page = AllocatePlatformPage();
      if (page == 0) {
        return nullptr;
      }
      entry = page | kPtePresent | kPteWritable;
    }
    K42_ASSERT((entry & kPteLarge) == 0, "a large page is in the way");
    table = PteAddress(entry);
  }
  return &Table(table)[PageTableIndex(address, level)];
}

void MapDirect(PhysAddr begin, PhysAddr end, bool has_huge_pages) {
  for (PhysAddr at = begin & ~(kLargePage - 1); at < end;) {
    const bool huge = has_huge_pages && at % kHugePage == 0 && end - at >= kHugePage;
    PageTableEntry* entry = EntryFor(kDirectMapBase + at, huge ? 3 : 2);
    *entry = at | kReadWrite | kPteLarge;
    at += huge ? kHugePage : kLargePage;
  }
}

void MapImage(const char* begin, const char* end, PageTableEntry flags) {
  for (const char* at = begin; at < end; at += kPageSize) {
    *EntryFor(reinterpret_cast<std::uint64_t>(at), 1) = VirtToPhys(at) | flags;
  }
}

}  // namespace

void StartKernelTables(std::span<const PhysRange> ram) {
  kernel_root = AllocateEarly(1);
  const bool has_huge_pages =
      Cpuid(0x8000'0000).eax >= 0x8000'0001 && (Cpuid(0x8000'0001).edx >> 26 & 1) != 0;
  // A root entry made later would be missing in the address spaces that exist by then.
  for (std::uint64_t base : {kCpuAreaBase, kKernelImageBase}) {
    K42_ASSERT(EntryFor(base, 3) != nullptr, "out of early memory");
  }
  for (const PhysRange& range : ram) {
    MapDirect(range.begin, range.end, has_huge_pages);
  }
  constexpr PageTableEntry kReadOnly = kPtePresent | kPteGlobal | kPteNoExecute;
  MapImage(kernel_begin, kernel_text_end, kPtePresent | kPteGlobal);
  MapImage(kernel_text_end, kernel_rodata_end, kReadOnly);
  MapImage(kernel_rodata_end, kernel_data_end, kReadWrite);
  MapImage(kernel_data_end, kernel_end, kReadOnly);
  SwitchRoot(kernel_root);
}

PhysAddr KernelRoot() {
  return kernel_root;
}

Status MapKernelPage(std::uint64_t address, PhysAddr page, PageTableEntry flags) {
  SpinGuard guard(tables_lock, kTables);
  PageTableEntry* entry = EntryFor(address, 1);
  if (entry == nullptr) {
    return Status::kNoMemory;
  }
  if ((*entry & kPtePresent) != 0) {
    return Status::kAlreadyExists;
  }
  *entry = page | flags;
  return Status::kOk;
}

PageTableEntry KernelPageEntry(std::uint64_t address) {
  PhysAddr table = kernel_root;
  for (unsigned at = kPageTableLevels; at > 1; --at) {
    const PageTableEntry entry = Table(table)[PageTableIndex(address, at)];
    if ((entry & kPtePresent) == 0 || (entry & kPteLarge) != 0) {
      return 0;
    }
    table = PteAddress(entry);
  }
  return Table(table)[PageTableIndex(address, 1)];
}

Status MapKernelMemory(std::uint64_t address, std::uint64_t size) {
  for (std::uint64_t at = address; at < address + size; at += kPageSize) {
    if (KernelPageEntry(at) != 0) {
      continue;
    }
    const PhysAddr page = AllocatePlatformPage();
    if (page == 0) {
      return Status::kNoMemory;
    }
    const Status status = MapKernelPage(at, page, kReadWrite);
    if (status != Status::kOk) {
      FreePlatformPage(page);
      if (status != Status::kAlreadyExists) {
        return status;
      }
    }
  }
  return Status::kOk;
}

Result<volatile void*> MapDevice(PhysAddr address, std::size_t size) {
  const PhysAddr first = address & ~(kPageSize - 1);
  const std::uint64_t pages = (address + size - first + kPageSize - 1) / kPageSize;
  std::uint64_t base;
  {
    SpinGuard guard(tables_lock);
    if (pages * kPageSize > kDeviceAreaEnd - device_next) {
      return Status::kNoSpace;
    }
    base = device_next;
    device_next += pages * kPageSize;
  }
  for (std::uint64_t i = 0; i < pages; ++i) {
    const Status status = MapKernelPage(base + i * kPageSize, first + i * kPageSize,
                                        kReadWrite | kPteUncached | kPteWriteThrough);
    if (status != Status::kOk) {
      return status;
    }
  }
  return reinterpret_cast<volatile void*>(base + (address - first));
}

Status MapObjectTable(CpuId cpu, std::uint32_t slots) {
  const std::uint64_t size = std::uint64_t{slots} * kObjectSlotSize;
  if (slots > kObjectTableMaxSlots) {
    return Status::kLimitExceeded;
  }
  return MapKernelMemory(kCpuAreaBase + cpu * kCpuAreaStride + kObjectTableOffset,
                         (size + kPageSize - 1) & ~(kPageSize - 1));
}

}  // namespace k42::machine
