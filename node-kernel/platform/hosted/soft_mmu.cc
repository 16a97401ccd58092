#include "machine/soft_mmu.h"

#include <mutex>
#include <unordered_map>

#include "machine/cpu.h"
#include "machine/page_table.h"

namespace k42::machine {

namespace {

struct Mmu {
  std::mutex lock;  // several host threads may be one virtual CPU in turn
  PhysAddr root = 0;
  std::unordered_map<std::uint64_t, PageTableEntry> tlb;  // by page number; large pages in pieces
};
Mmu mmus[kMaxCpus];
thread_local std::uint64_t invalidations = 0;

Mmu& Mine() {
  return mmus[CurrentCpu()];
}

bool Grants(PageTableEntry entry, hosted::MmuAccess access) {
  switch (access) {
    case hosted::MmuAccess::kWrite:
      return (entry & kPteWritable) != 0;
    case hosted::MmuAccess::kExecute:
      return (entry & kPteNoExecute) == 0;
    case hosted::MmuAccess::kRead:
      break;
  }
  return true;
}

// The leaf entry with the address of the 4 KiB page, or 0. A write that it grants makes it dirty,
// unless it has changed meanwhile: then the walk begins again.
PageTableEntry Walk(PhysAddr root, std::uint64_t address, hosted::MmuAccess access) {
  PhysAddr table = root;
  PageTableEntry grants = kPteWritable | kPteUser;
  for (unsigned level = kPageTableLevels;; --level) {
    PageTableEntry* slot = &PhysToVirt<PageTableEntry>(table)[PageTableIndex(address, level)];
    PageTableEntry entry = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    grants &= entry;
    if ((entry & kPtePresent) == 0 || (grants & kPteUser) == 0) {
      return 0;
    }
    if (level == 1 || (entry & kPteLarge) != 0) {
      if (access == hosted::MmuAccess::kWrite && (grants & kPteWritable) != 0 &&
          (entry & kPteDirty) == 0) {
        if (!__atomic_compare_exchange_n(slot, &entry, entry | kPteDirty, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED)) {
          return Walk(root, address, access);
        }
        entry |= kPteDirty;
      }
      const std::uint64_t within = address & ((kPageSize << (9 * (level - 1))) - 1);
      return (entry & ~kPteWritable) + (within & ~(kPageSize - 1)) + (grants & kPteWritable);
    }
    table = PteAddress(entry);
  }
}

}  // namespace

namespace hosted {

std::optional<PhysAddr> Translate(std::uint64_t address, MmuAccess access) {
  Mmu& mmu = Mine();
  const std::lock_guard guard(mmu.lock);
  const std::uint64_t page = address / kPageSize;
  if (const auto cached = mmu.tlb.find(page); cached != mmu.tlb.end()) {
    const bool marks = access == MmuAccess::kWrite && (cached->second & kPteDirty) == 0;
    if (Grants(cached->second, access) && !marks) {
      return PteAddress(cached->second) + address % kPageSize;
    }
    mmu.tlb.erase(cached);
  }
  const PageTableEntry entry = mmu.root == 0 ? 0 : Walk(mmu.root, address, access);
  if (entry == 0 || !Grants(entry, access)) {
    return std::nullopt;
  }
  mmu.tlb[page] = entry;
  return PteAddress(entry) + address % kPageSize;
}

}  // namespace hosted

PhysAddr KernelRoot() {
  return kPageSize;
}
PhysAddr CurrentRoot() {
  Mmu& mmu = Mine();
  const std::lock_guard guard(mmu.lock);
  return mmu.root;
}
void SwitchRoot(PhysAddr root) {
  Mmu& mmu = Mine();
  const std::lock_guard guard(mmu.lock);
  mmu.root = root;
  mmu.tlb.clear();
  ++invalidations;
}
void InvalidatePage(std::uint64_t address) {
  Mmu& mmu = Mine();
  const std::lock_guard guard(mmu.lock);
  mmu.tlb.erase(address / kPageSize);
  ++invalidations;
}
void InvalidateAllUser() {
  Mmu& mmu = Mine();
  const std::lock_guard guard(mmu.lock);
  mmu.tlb.clear();
  ++invalidations;
}
std::uint64_t InvalidationCount() {
  return invalidations;
}

}  // namespace k42::machine
