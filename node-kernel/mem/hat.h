// Hat (K42: hardware address translation): the page tables of one address space, shared by all CPUs
// (first version; per-CPU tables would be another Hat). A cache of what the Fcms know: any entry
// may be dropped and will be asked for again by a fault.
//
// Root slots 256..511 are copies of the kernel's, which never change. All other table pages belong
// to the Hat and are made on demand.
//
// The active set: CPUs that have this root loaded, or may still have its translations. A CPU adds
// itself before it loads the root; a change is written before the set is read; both sides are
// sequentially consistent, so either the changer sees the CPU, or the CPU's walker sees the change
// (the store-buffer race; tests/unit/mem/protocols_test.cc tries every interleaving).
//
// Files: hat.cc (tables, single pages, CPUs), hat_pieces.cc (many pages).
//
// Locking: lock_ guards the lower half's tables. It is innermost but for the frame pool's, and held
// for kLeaves pages and a few tables at most, however far these lie apart.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/cpu_set.h"
#include "machine/page_table.h"
#include "machine/spin_lock.h"
#include "mem/tlb_gather.h"
#include "mem/types.h"
#include "mem/unfinished_changes.h"

namespace k42::mem {

class Hat;

// Which Hat each CPU has loaded; null: the kernel's root. An entry is touched by its CPU only. And
// what is under way in any of them.
struct LoadedHats {
  struct alignas(64) Entry {
    Hat* hat = nullptr;
  } cpu[machine::kMaxCpus];
  UnfinishedChanges unfinished;
  std::atomic<std::uint64_t> large_pages{0};  // entries that show one, of all Hats
};

class Hat {
 public:
  Hat(FrameAllocator& frames, LoadedHats& loaded) : frames_(frames), loaded_(loaded) {}
  ~Hat();  // Destroy has been called, if Initialise succeeded
  Hat(const Hat&) = delete;
  Hat& operator=(const Hat&) = delete;

  Status Initialise();
  // Tells the CPUs that still have it loaded to leave, and frees the tables. Waits.
  void Destroy();

  // Makes `frame` what `address` shows. Replacing an entry goes into the gather. Where another CPU
  // may still have another page there, that goes first, and the gather holds this one back: it says
  // so, nothing is mapped, and after its Finish this is to be called again. kNoMemory.
  Status Map(std::uint64_t address, PhysAddr frame, Protection protection, TlbGather& gather);
  // A 2 MiB page: both aligned. kBusy where small pages are mapped: the caller unmaps first. It is
  // dropped as a whole when a part of it is unmapped, restricted or mapped otherwise: the next
  // faults ask for small ones.
  Status MapLarge(std::uint64_t address, PhysAddr frame, Protection protection, TlbGather& gather);
  // That would not be kBusy.
  bool HasRoomForLarge(std::uint64_t address);
  // Page-table pages whose whole range goes are given up with it.
  void Unmap(std::uint64_t start, std::uint64_t end, TlbGather& gather);
  // The same from `at` on, kLeaves pages and a few tables at most: returns where to go on, or
  // `end`. For callers that drop their own lock in between.
  std::uint64_t UnmapPiece(std::uint64_t start, std::uint64_t at, std::uint64_t end,
                           TlbGather& gather);
  // Pages mapped many at a time: without write permission, see own.
  struct Leaf {
    std::uint64_t address;
    machine::PageTableEntry entry;
    bool own;  // still writable in the original: the copy wants a frame of its own
  };
  static machine::PageTableEntry LeafEntry(PhysAddr frame, Protection protection);
  static constexpr std::uint32_t kLeaves = 64;  // at a time
  struct Leaves {
    Leaf leaf[kLeaves];
    std::uint32_t count = 0;
  };
  // For a copy on write: the small pages of [start, end), which lose their write permission, all
  // but the first `own` of those that were written since they were mapped or last looked at here.
  // Returns the address to go on from, or `end`.
  std::uint64_t ForkLeaves(std::uint64_t start, std::uint64_t end, std::uint32_t& own,
                           Leaves& leaves, TlbGather& gather);
  // Shows them here: where nothing is mapped and no CPU can have anything else, and as far as there
  // is memory for tables. Those that are own may be written.
  void MapLeaves(const Leaves& leaves);
  // Takes away what `protection` does not grant; grants nothing (the next fault does).
  void Restrict(std::uint64_t start, std::uint64_t end, Protection protection, TlbGather& gather);
  std::uint64_t RestrictPiece(std::uint64_t start, std::uint64_t end, Protection protection,
                              TlbGather& gather);
  // What others have changed in the range, and not told every CPU of yet, is told by this gather
  // too. Unmap, Restrict and Map do so by themselves.
  void JoinUnfinished(std::uint64_t start, std::uint64_t end, TlbGather& gather);

  // Pages present in [start, end). Large pages count as what they cover. In pieces: no spin lock
  // held.
  std::uint64_t CountPresent(std::uint64_t start, std::uint64_t end,
                             std::uint64_t* by_large_pages = nullptr);
  // The entry that translates `address`; 0 if none.
  machine::PageTableEntry EntryOf(std::uint64_t address);

  // -- this CPU. Interrupts may be off. ---------------------------------------------------------
  // Loads the root, if it is not loaded. The Hat stays loaded while kernel threads run, so that
  // coming back to the same program costs nothing.
  void Activate();
  // Loads the kernel's root in place of whatever is loaded.
  static void LeaveThisCpu(LoadedHats& loaded);

  CpuSet active() const { return active_.Load(); }
  PhysAddr root() const { return root_; }
  std::uint64_t resident_pages() const { return resident_.load(std::memory_order_relaxed); }
  std::uint64_t large_pages() const { return large_.load(std::memory_order_relaxed); }
  std::uint64_t peak_resident_pages() const { return peak_.load(std::memory_order_relaxed); }

 private:
  using Entry = machine::PageTableEntry;
  // Bytes that one entry of a table of `level` translates.
  static constexpr std::uint64_t SpanOf(unsigned level) {
    return std::uint64_t{1} << (kPageShift + 9 * (level - 1));
  }
  // Entries that share a bit of TableUse::used.
  static constexpr unsigned kHatGroup = machine::kEntriesPerTable / 64;
  static constexpr std::uint64_t UsedBit(unsigned index) {
    return std::uint64_t{1} << index / kHatGroup;
  }
  static Entry* TableAt(PhysAddr address) { return machine::PhysToVirt<Entry>(address); }
  // The hardware walks while we write, and writes dirty bits: whole-word accesses, through which
  // other CPUs' walkers (and the simulated ones of the tests) see either the old or the new entry.
  static Entry Load(const Entry& entry) { return __atomic_load_n(&entry, __ATOMIC_RELAXED); }
  static void Store(Entry& entry, Entry value) {
    __atomic_store_n(&entry, value, __ATOMIC_RELEASE);
  }

  // `slot` (level 2) shows no small page.
  bool HasRoomForLargeLocked(const Entry* slot) const K42_REQUIRES(lock_);
  // The entry of `address` in a table of `level`; null where a table is missing.
  Entry* FindLocked(std::uint64_t address, unsigned level) K42_REQUIRES(lock_);
  // The same, with missing tables made and large pages in the way dropped.
  Result<Entry*> MakeLocked(std::uint64_t address, unsigned level, TlbGather& gather)
      K42_REQUIRES(lock_);
  void ReplaceLocked(Entry* slot, Entry value, std::uint64_t address, std::uint64_t size,
                     TlbGather& gather) K42_REQUIRES(lock_);
  // Nobody sees a page here while some CPU has another (Map).
  void ShowLocked(Entry* slot, Entry value, std::uint64_t address, std::uint64_t size,
                  TlbGather& gather) K42_REQUIRES(lock_);
  bool IsLoadedElsewhere() const {
    return !(active_.Load() - CpuSet::Of(machine::CurrentCpu())).empty();
  }
  // What is done of [at, end) with the lock held once: nothing is mapped below `from`, and there
  // are few tables up to `to`.
  struct Piece {
    std::uint64_t from, to;
  };
  Piece PieceLocked(std::uint64_t at, std::uint64_t end) const K42_REQUIRES(lock_);
  // Calls visit(slot, address, size) for each present leaf that meets the range, until it returns
  // false. Returns the address to go on from, or the end.
  template <typename F>
  std::uint64_t ForEachLeafLocked(std::uint64_t start, std::uint64_t end, F visit)
      K42_REQUIRES(lock_);
  // The same for up to kLeaves of a piece.
  template <typename F>
  std::uint64_t ForPieceLocked(const Piece& piece, F visit) K42_REQUIRES(lock_);
  // The first entry of [index, end) that is not 0; `end` if there is none.
  unsigned FirstUsed(PhysAddr table, unsigned index, unsigned end) const;
  void MarkUsed(PhysAddr table, unsigned index);
  // Takes out the leaf table (level 1) in `slot`, or all that lie wholly in the range.
  void DropLeafTableLocked(Entry* slot, std::uint64_t address, TlbGather& gather)
      K42_REQUIRES(lock_);
  void DropLeafTablesLocked(std::uint64_t start, std::uint64_t end, TlbGather& gather)
      K42_REQUIRES(lock_);
  void NoteChanged(std::uint64_t start, std::uint64_t end, TlbGather& gather) K42_REQUIRES(lock_);
  void NoteUnfinishedLocked(std::uint64_t start, std::uint64_t end, TlbGather& gather)
      K42_REQUIRES(lock_);
  void CountResident(std::int64_t pages);
  void CountLarge(std::int64_t pages);
  void FreeTables(PhysAddr table, unsigned level);
  void GiveTable(PhysAddr table, unsigned level);

  // One cache line, all of which a fault wants.
  FrameAllocator& frames_;
  LoadedHats& loaded_;
  const unsigned bucket_ = UnfinishedChanges::BucketOf(this);
  machine::SpinLock<LockRank::kPageTable> lock_;
  PhysAddr root_ = 0;
  AtomicCpuSet active_;
  std::atomic<std::uint64_t> resident_{0};  // written under lock_
  std::atomic<std::uint64_t> peak_{0};
  std::atomic<std::uint64_t> large_{0};  // 2 MiB pages; the same
};

}  // namespace k42::mem
