// Hat: the tables, one page at a time, and the CPUs. Many at a time: hat_pieces.cc.
#include "mem/hat.h"

#include <bit>
#include <cstring>

#include "base/assert.h"
#include "mem/shoot_down.h"

namespace k42::mem {

using machine::kEntriesPerTable;
using machine::kFirstKernelSlot;
using machine::kPteLarge;
using machine::kPtePresent;
using machine::kPteUser;
using machine::kPteWritable;
using machine::PageTableIndex;
using machine::PteAddress;
using machine::SpinGuard;

namespace {

constexpr machine::PageTableEntry kTableBits = kPtePresent | kPteWritable | kPteUser;

constexpr machine::HoldReason kCpus{1500, "each CPU's count of unfinished changes is looked at"};
constexpr machine::HoldReason kTables{6000 + kChunkMade,
                                      "up to three tables are taken and cleared"};
constexpr machine::HoldReason kLarge{6500 + kChunkMade,
                                     "as for a small page, and a table may be found empty"};

}  // namespace

Hat::Entry Hat::LeafEntry(PhysAddr frame, Protection protection) {
  return frame | kPtePresent | kPteUser | machine::kPteAccessed |
         ((protection & kProtectWrite) != 0 ? kPteWritable | machine::kPteDirty : 0) |
         ((protection & kProtectExecute) == 0 ? machine::kPteNoExecute : 0);
}

Hat::~Hat() {
  K42_ASSERT(root_ == 0, "page tables outlive their Hat");
}

Status Hat::Initialise() {
  Frame* root = TRY(frames_.Allocate(FramePurpose::kKernel));
  const Entry* kernel = TableAt(machine::KernelRoot());
  Entry* own = FrameAllocator::Data<Entry>(root);
  std::memset(own, 0, kFirstKernelSlot * sizeof(Entry));
  std::memcpy(own + kFirstKernelSlot, kernel + kFirstKernelSlot,
              (kEntriesPerTable - kFirstKernelSlot) * sizeof(Entry));
  root_ = root->address;
  return Status::kOk;
}

// Tables are mostly empty, and fork and exit walk all of them.
unsigned Hat::FirstUsed(PhysAddr table, unsigned index, unsigned end) const {
  const Entry* entries = TableAt(table);
  const std::uint64_t used = frames_.FrameOf(table)->table.used;
  while (index < end) {
    const std::uint64_t rest = used >> (index / kHatGroup);
    if (rest == 0) {
      return end;
    }
    if ((rest & 1) == 0) {
      index =
          AlignDown(index, kHatGroup) + kHatGroup * static_cast<unsigned>(std::countr_zero(rest));
      continue;
    }
    do {
      if (Load(entries[index]) != 0) {
        return index < end ? index : end;
      }
    } while (++index % kHatGroup != 0);
  }
  return end;
}

void Hat::MarkUsed(PhysAddr table, unsigned index) {
  frames_.FrameOf(table)->table.used |= UsedBit(index);
}

void Hat::FreeTables(PhysAddr table, unsigned level) {
  const unsigned slots = level == machine::kPageTableLevels ? kFirstKernelSlot : kEntriesPerTable;
  if (level > 1) {
    const Entry* entries = TableAt(table);
    for (unsigned i = 0; (i = FirstUsed(table, i, slots)) < slots; ++i) {
      if ((entries[i] & kPtePresent) != 0 && (entries[i] & kPteLarge) == 0) {
        FreeTables(PteAddress(entries[i]), level - 1);
      }
    }
  }
  GiveTable(table, level);
}

// With its few used entries cleared. The root's other half is the kernel's.
void Hat::GiveTable(PhysAddr table, unsigned level) {
  Frame* frame = frames_.FrameOf(table);
  if (level == machine::kPageTableLevels || !frames_.WantsCleared()) {
    frames_.DropReference(frame);
    return;
  }
  for (std::uint64_t used = frame->table.used; used != 0; used &= used - 1) {
    Entry* group = TableAt(table) + kHatGroup * static_cast<unsigned>(std::countr_zero(used));
    for (unsigned i = 0; i < kHatGroup; ++i) {
      group[i] = 0;
    }
  }
  frames_.GiveCleared(frame);
}

void Hat::Destroy() {
  const CpuSet loaded = active_.Load();
  if (loaded.Contains(machine::CurrentCpu())) {
    LeaveThisCpu(loaded_);
  }
  ShootDown(
      loaded - CpuSet::Of(machine::CurrentCpu()),
      [](void* hat) {
        LoadedHats& all = static_cast<Hat*>(hat)->loaded_;
        if (all.cpu[machine::CurrentCpu()].hat == hat) {
          LeaveThisCpu(all);
        }
      },
      this);
  K42_ASSERT(active_.Load().empty(), "address space in use while it is destroyed");
  if (large_pages() != 0) {  // a line of the whole node's
    loaded_.large_pages.fetch_sub(large_pages(), std::memory_order_relaxed);
  }
  FreeTables(root_, machine::kPageTableLevels);
  root_ = 0;
}

void Hat::Activate() {
  const machine::CpuId cpu = machine::CurrentCpu();
  Hat*& loaded = loaded_.cpu[cpu].hat;
  if (loaded == this) {
    return;
  }
  active_.Add(cpu);  // before the load: see "The active set"
  machine::SwitchRoot(root_);
  if (loaded != nullptr) {
    loaded->active_.Remove(cpu);
  }
  loaded = this;
}

void Hat::LeaveThisCpu(LoadedHats& loaded) {
  const machine::CpuId cpu = machine::CurrentCpu();
  Hat* hat = loaded.cpu[cpu].hat;
  if (hat != nullptr) {
    machine::SwitchRoot(machine::KernelRoot());
    loaded.cpu[cpu].hat = nullptr;
    hat->active_.Remove(cpu);
  }
}

void Hat::NoteChanged(std::uint64_t start, std::uint64_t end, TlbGather& gather) {
  const CpuSet cpus = active_.LoadAfterChange();
  if (!cpus.empty()) {
    gather.CountIn(loaded_.unfinished, bucket_);
    gather.AddRange(cpus, start, end);
  }
}

void Hat::NoteUnfinishedLocked(std::uint64_t start, std::uint64_t end, TlbGather& gather) {
  if (loaded_.unfinished.Others(bucket_, gather.IsCountedIn(bucket_) ? 1 : 0)) {
    NoteChanged(start, end, gather);
  }
}

void Hat::JoinUnfinished(std::uint64_t start, std::uint64_t end, TlbGather& gather) {
  const SpinGuard guard(lock_, kCpus);
  NoteUnfinishedLocked(start, end, gather);
}

void Hat::CountResident(std::int64_t pages) {
  const std::uint64_t now = resident_pages() + static_cast<std::uint64_t>(pages);
  resident_.store(now, std::memory_order_relaxed);
  if (now > peak_resident_pages()) {
    peak_.store(now, std::memory_order_relaxed);
  }
}

void Hat::CountLarge(std::int64_t pages) {
  if (pages != 0) {
    large_.store(large_pages() + static_cast<std::uint64_t>(pages), std::memory_order_relaxed);
    loaded_.large_pages.fetch_add(static_cast<std::uint64_t>(pages), std::memory_order_relaxed);
  }
}

Hat::Entry* Hat::FindLocked(std::uint64_t address, unsigned level) {
  PhysAddr table = root_;
  for (unsigned at = machine::kPageTableLevels; at > level; --at) {
    const Entry entry = TableAt(table)[PageTableIndex(address, at)];
    if ((entry & kPtePresent) == 0 || (entry & kPteLarge) != 0) {
      return nullptr;
    }
    table = PteAddress(entry);
  }
  return &TableAt(table)[PageTableIndex(address, level)];
}

Result<Hat::Entry*> Hat::MakeLocked(std::uint64_t address, unsigned level, TlbGather& gather) {
  PhysAddr table = root_;
  for (unsigned at = machine::kPageTableLevels; at > level; --at) {
    Entry* slot = &TableAt(table)[PageTableIndex(address, at)];
    Entry entry = *slot;
    if ((entry & kPtePresent) == 0 || (entry & kPteLarge) != 0) {
      Frame* frame = TRY(frames_.AllocateZeroed(FramePurpose::kKernel));
      ReplaceLocked(slot, 0, AlignDown(address, SpanOf(at)), SpanOf(at), gather);
      entry = frame->address | kTableBits;
      Store(*slot, entry);
      MarkUsed(table, PageTableIndex(address, at));
    }
    table = PteAddress(entry);
  }
  MarkUsed(table, PageTableIndex(address, level));
  return &TableAt(table)[PageTableIndex(address, level)];
}

void Hat::ReplaceLocked(Entry* slot, Entry value, std::uint64_t address, std::uint64_t size,
                        TlbGather& gather) {
  const Entry old = Load(*slot);
  const auto pages = static_cast<std::int64_t>(size / kPageSize);
  Store(*slot, value);
  CountResident(((value & kPtePresent) != 0 ? pages : 0) - ((old & kPtePresent) != 0 ? pages : 0));
  if (size != kPageSize) [[unlikely]] {
    CountLarge(((value & kPtePresent) != 0 ? 1 : 0) - ((old & kPtePresent) != 0 ? 1 : 0));
  }
  // Granting more for the same frame leaves at worst a translation that faults once more.
  const bool same_frame = PteAddress(old) == PteAddress(value) && (value & kPtePresent) != 0;
  const bool keeps_write = (old & kPteWritable) == 0 || (value & kPteWritable) != 0;
  const bool keeps_execute =
      (old & machine::kPteNoExecute) != 0 || (value & machine::kPteNoExecute) == 0;
  if ((old & kPtePresent) != 0 && !(same_frame && keeps_write && keeps_execute)) {
    NoteChanged(address, address + size, gather);
  }
}

// Two CPUs that see two pages at one address would be a bug that no program has: one stores, and
// what it stored is not there on the other. So the old page is forgotten everywhere before the new
// one can be found anywhere. A CPU that loads the table later finds nothing, or the new one.
void Hat::ShowLocked(Entry* slot, Entry value, std::uint64_t address, std::uint64_t size,
                     TlbGather& gather) {
  const Entry old = Load(*slot);
  bool wait = false;
  if ((old & kPtePresent) == 0) {
    // Perhaps of a change that is unfinished, this gather's own or another's.
    wait = IsLoadedElsewhere() && !gather.WasHeldBack(address) &&
           loaded_.unfinished.Others(bucket_, 0);
    if (wait) {
      NoteChanged(address, address + size, gather);
    }
  } else if (PteAddress(old) != PteAddress(value)) {
    ReplaceLocked(slot, 0, address, size, gather);
    wait = IsLoadedElsewhere();
  }
  if (wait) {
    gather.HoldBack(address);
  } else {
    ReplaceLocked(slot, value, address, size, gather);
  }
}

Status Hat::Map(std::uint64_t address, PhysAddr frame, Protection protection, TlbGather& gather) {
  const SpinGuard guard(lock_, kTables);
  Entry* slot = TRY(MakeLocked(address, 1, gather));
  const Entry value = LeafEntry(frame, protection);
  if (Load(*slot) == 0 && !IsLoadedElsewhere()) {  // mostly: nobody could tell
    ReplaceLocked(slot, value, address, kPageSize, gather);
  } else {
    ShowLocked(slot, value, address, kPageSize, gather);
  }
  return Status::kOk;
}

Status Hat::MapLarge(std::uint64_t address, PhysAddr frame, Protection protection,
                     TlbGather& gather) {
  if (!IsAligned(address, kLargePageSize) || !IsAligned(frame, kLargePageSize)) {
    return Status::kInvalidArgument;
  }
  const SpinGuard guard(lock_, kLarge);
  Entry* slot = TRY(MakeLocked(address, 2, gather));
  if (!HasRoomForLargeLocked(slot)) {
    return Status::kBusy;
  }
  if ((*slot & kPtePresent) != 0 && (*slot & kPteLarge) == 0) {
    DropLeafTableLocked(slot, address, gather);
  }
  ShowLocked(slot, LeafEntry(frame, protection) | kPteLarge, address, kLargePageSize, gather);
  return Status::kOk;
}

bool Hat::HasRoomForLargeLocked(const Entry* slot) const {
  const Entry entry = Load(*slot);
  return (entry & kPtePresent) == 0 || (entry & kPteLarge) != 0 ||
         FirstUsed(PteAddress(entry), 0, kEntriesPerTable) == kEntriesPerTable;
}

bool Hat::HasRoomForLarge(std::uint64_t address) {
  const SpinGuard guard(lock_, kLarge);
  const Entry* slot = FindLocked(address, 2);
  return slot == nullptr || HasRoomForLargeLocked(slot);
}

}  // namespace k42::mem
