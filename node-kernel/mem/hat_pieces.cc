// Hat: many pages at a time, in pieces.
#include "machine/thread.h"
#include "mem/hat.h"

namespace k42::mem {

using machine::kEntriesPerTable;
using machine::kFirstKernelSlot;
using machine::kPteDirty;
using machine::kPteLarge;
using machine::kPtePresent;
using machine::kPteWritable;
using machine::PageTableIndex;
using machine::PteAddress;
using machine::SpinGuard;

namespace {

// What is done at a time with the lock held. Between two pieces others come to the table.
constexpr machine::HoldReason kPiece{12000,
                                     "up to 64 entries of four tables, all of which may be looked "
                                     "at, and the tables that lead there"};
constexpr machine::HoldReason kPieceAndTables{10000 + kChunkMade,
                                              "64 entries, and tables for them"};
constexpr machine::HoldReason kOneEntry{300, "one entry is looked for"};

// Of address space: so many leaf tables at a time, however little they show.
constexpr std::uint64_t kPieceSpan = 4 * kLargePageSize;

}  // namespace

template <typename F>
std::uint64_t Hat::ForEachLeafLocked(std::uint64_t start, std::uint64_t end, F visit) {
  std::uint64_t address = start;
  while (address < end) {
    // Down to the lowest table that there is for `address`.
    PhysAddr table = root_;
    unsigned level = machine::kPageTableLevels;
    unsigned index = PageTableIndex(address, level);
    for (Entry entry = Load(TableAt(table)[index]);
         level > 1 && (entry & kPtePresent) != 0 && (entry & kPteLarge) == 0;
         entry = Load(TableAt(table)[index])) {
      table = PteAddress(entry);
      index = PageTableIndex(address, --level);
    }
    // Along it, over what is empty, up to its end or to an entry that leads further down.
    const std::uint64_t span = SpanOf(level);
    const std::uint64_t base = AlignDown(address, span * kEntriesPerTable);
    const std::uint64_t left = (end - 1 - base) / span + 1;
    const unsigned limit = left < kEntriesPerTable ? static_cast<unsigned>(left) : kEntriesPerTable;
    for (;; ++index) {
      if (index < limit && Load(TableAt(table)[index]) == 0) {
        index = FirstUsed(table, index, limit);
      }
      address = base + index * span;
      if (index >= limit) {
        break;
      }
      Entry* slot = &TableAt(table)[index];
      const Entry entry = Load(*slot);
      if (level > 1 && (entry & kPteLarge) == 0 && (entry & kPtePresent) != 0) {
        break;
      }
      if ((entry & kPtePresent) != 0 && !visit(slot, address, span)) {
        return address + span;
      }
    }
  }
  return end;
}

// Down the tables from the root, over what is empty: as many tables as a piece has at most, or else
// the piece is empty and ends there.
Hat::Piece Hat::PieceLocked(std::uint64_t at, std::uint64_t end) const {
  constexpr unsigned kMostEmpty = 4;
  for (unsigned empty = 0; at < end; ++empty) {
    PhysAddr table = root_;
    unsigned level = machine::kPageTableLevels;
    unsigned index = PageTableIndex(at, level);
    unsigned used = FirstUsed(table, index, kFirstKernelSlot);
    while (used == index && level > 2) {
      table = PteAddress(Load(TableAt(table)[index]));
      index = PageTableIndex(at, --level);
      used = FirstUsed(table, index, kEntriesPerTable);
    }
    if (used == index) {
      const std::uint64_t span_end = AlignDown(at, kLargePageSize) + kPieceSpan;
      return {at, span_end < end ? span_end : end};
    }
    const std::uint64_t base = AlignDown(at, SpanOf(level) * kEntriesPerTable);
    at = base + used * SpanOf(level);
    if (empty == kMostEmpty && at < end) {
      return {at, at};
    }
  }
  return {end, end};
}

template <typename F>
std::uint64_t Hat::ForPieceLocked(const Piece& piece, F visit) {
  std::uint32_t count = 0;
  return ForEachLeafLocked(piece.from, piece.to,
                           [&](Entry* slot, std::uint64_t address, std::uint64_t size)
                               K42_REQUIRES(lock_) {
                                 visit(slot, address, size);
                                 return ++count < kLeaves;
                               });
}

void Hat::DropLeafTableLocked(Entry* slot, std::uint64_t address, TlbGather& gather) {
  Frame* table = frames_.FrameOf(PteAddress(*slot));
  Store(*slot, 0);
  NoteChanged(address, address + kLargePageSize, gather);
  gather.DropListedLater(table);
}

void Hat::DropLeafTablesLocked(std::uint64_t start, std::uint64_t end, TlbGather& gather) {
  std::uint64_t address = AlignUp(start, kLargePageSize);
  while (address < end && end - address >= kLargePageSize) {
    Entry* slot = FindLocked(address, 2);
    if (slot == nullptr) {  // nothing below this gigabyte (or larger), go on behind it
      const std::uint64_t skip = FindLocked(address, 3) == nullptr ? SpanOf(4) : SpanOf(3);
      address = AlignDown(address, skip) + skip;
      continue;
    }
    if ((*slot & kPtePresent) != 0 && (*slot & kPteLarge) == 0) {
      DropLeafTableLocked(slot, address, gather);
    }
    address += kLargePageSize;
  }
}

void Hat::Unmap(std::uint64_t start, std::uint64_t end, TlbGather& gather) {
  for (std::uint64_t at = start; at < end;) {
    at = UnmapPiece(start, at, end, gather);
  }
}

std::uint64_t Hat::UnmapPiece(std::uint64_t start, std::uint64_t at, std::uint64_t end,
                              TlbGather& gather) {
  const SpinGuard guard(lock_, kPiece);
  const Piece piece = PieceLocked(at, end);
  const std::uint64_t next = ForPieceLocked(
      piece, [&](Entry* slot, std::uint64_t address, std::uint64_t size)
                 K42_REQUIRES(lock_) { ReplaceLocked(slot, 0, address, size, gather); });
  // The table that an earlier piece began may be empty now.
  const std::uint64_t table = AlignDown(piece.from, kLargePageSize);
  DropLeafTablesLocked(table > start ? table : start, next, gather);
  NoteUnfinishedLocked(at, next, gather);
  return next;
}

std::uint64_t Hat::ForkLeaves(std::uint64_t start, std::uint64_t end, std::uint32_t& own,
                              Leaves& leaves, TlbGather& gather) {
  const SpinGuard guard(lock_, kPiece);
  bool changed = false;
  leaves.count = 0;
  const std::uint64_t next = ForPieceLocked(
      PieceLocked(start, end),
      [&](Entry* slot, std::uint64_t address, std::uint64_t size) K42_REQUIRES(lock_) {
        if (size != kPageSize) {
          ReplaceLocked(slot, 0, address, size, gather);
          return;
        }
        const Entry entry = Load(*slot);
        Leaf& leaf = leaves.leaf[leaves.count++];
        leaf = {address, entry & ~(kPteWritable | kPteDirty), false};
        if ((entry & kPteWritable) == 0) {
          return;
        }
        changed = true;
        if (own != 0 && (entry & kPteDirty) != 0) {
          --own;
          leaf.own = true;
          Store(*slot, entry & ~kPteDirty);
        } else {
          Store(*slot, leaf.entry);
        }
      });
  if (changed) {
    NoteChanged(start, next, gather);
  }
  return next;
}

void Hat::MapLeaves(const Leaves& leaves) {
  const SpinGuard guard(lock_, kPieceAndTables);
  if (IsLoadedElsewhere() && loaded_.unfinished.Others(bucket_, 0)) {
    return;  // what is gone may be on some CPU still: faults wait for that (ShowLocked)
  }
  TlbGather nothing(frames_);  // nothing was mapped, so no entry is replaced
  std::uint64_t base = ~std::uint64_t{0};
  Entry* table = nullptr;
  Frame* descriptor = nullptr;
  std::int64_t mapped = 0;
  for (std::uint32_t i = 0; i < leaves.count; ++i) {
    const Leaf& leaf = leaves.leaf[i];
    const unsigned index = PageTableIndex(leaf.address, 1);
    if (AlignDown(leaf.address, kLargePageSize) != base) {
      const Result<Entry*> slot = MakeLocked(leaf.address, 1, nothing);
      if (!slot.ok()) {
        break;
      }
      base = AlignDown(leaf.address, kLargePageSize);
      table = slot.value() - index;
      descriptor = frames_.FrameOf(machine::VirtToPhys(table));
    }
    if (Load(table[index]) != 0) {
      continue;
    }
    ++mapped;
    Store(table[index], leaf.own ? leaf.entry | kPteWritable : leaf.entry);
    descriptor->table.used |= UsedBit(index);
  }
  CountResident(mapped);
}

void Hat::Restrict(std::uint64_t start, std::uint64_t end, Protection protection,
                   TlbGather& gather) {
  for (std::uint64_t at = start; at < end;) {
    at = RestrictPiece(at, end, protection, gather);
  }
}

std::uint64_t Hat::RestrictPiece(std::uint64_t start, std::uint64_t end, Protection protection,
                                 TlbGather& gather) {
  const SpinGuard guard(lock_, kPiece);
  const std::uint64_t next = ForPieceLocked(
      PieceLocked(start, end),
      [&](Entry* slot, std::uint64_t address, std::uint64_t size) K42_REQUIRES(lock_) {
        const Entry old = Load(*slot);
        Entry value = old;
        const bool whole = address >= start && end - address >= size;
        if (protection == kProtectNone || !whole) {
          value = 0;
        }
        if ((protection & kProtectWrite) == 0) {
          value &= ~kPteWritable;
        }
        if ((protection & kProtectExecute) == 0 && value != 0) {
          value |= machine::kPteNoExecute;
        }
        if (value != old) {
          ReplaceLocked(slot, value, address, size, gather);
        }
      });
  NoteUnfinishedLocked(start, next, gather);
  return next;
}

std::uint64_t Hat::CountPresent(std::uint64_t start, std::uint64_t end,
                                std::uint64_t* by_large_pages) {
  std::uint64_t pages = 0;
  for (std::uint64_t at = start; at < end;) {
    {
      const SpinGuard guard(lock_, kPiece);
      at = ForPieceLocked(PieceLocked(at, end),
                          [&](Entry*, std::uint64_t address, std::uint64_t size) {
                            const std::uint64_t from = address > start ? address : start;
                            const std::uint64_t to = address + size < end ? address + size : end;
                            pages += (to - from) / kPageSize;
                            if (size != kPageSize && by_large_pages != nullptr) {
                              *by_large_pages += (to - from) / kPageSize;
                            }
                          });
    }
    machine::Thread::PreemptionPoint();
  }
  return pages;
}

machine::PageTableEntry Hat::EntryOf(std::uint64_t address) {
  const SpinGuard guard(lock_, kOneEntry);
  Entry found = 0;
  ForEachLeafLocked(PageFloor(address), PageFloor(address) + kPageSize,
                    [&](Entry* slot, std::uint64_t, std::uint64_t) {
                      found = Load(*slot);
                      return true;
                    });
  return found;
}

}  // namespace k42::mem
