// FcmFile: pages, and the regions and private views that show them.
#include "mem/fcm_file.h"

#include <algorithm>

#include "base/assert.h"
#include "machine/thread.h"
#include "mem/fcm_private.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::SpinGuard;

namespace {

constexpr machine::HoldReason kUse{
    15000 + kChunkMade,
    "the page is found or made and mapped in one table, or frames for 16 pages enter the map"};
constexpr machine::HoldReason kPresentPages{
    15000, "up to 32 pages are found and mapped in the table of one region"};
constexpr machine::HoldReason kBatchOut{
    30000, "16 pages, looked for among 256, leave the map and the tables of all regions"};
constexpr machine::HoldReason kVictims{
    60000, "up to 64 of 512 pages that are looked at leave the tables of all regions"};
constexpr machine::HoldReason kFreed{20000, "up to 64 pages leave the map"};

}  // namespace

Result<FcmFile*> FcmFile::Create(MemoryServices& services, FileRepresentative* representative,
                                 std::uint64_t size, std::uint64_t device, std::uint64_t node) {
  FcmFile* fcm = TRY(New<FcmFile>(services, representative, size, device, node));
  if (representative != nullptr) {
    services.page_manager.Add(fcm);
  }
  return fcm;
}

// Without references there are no regions, views or requests. What is dirty is written first: the
// requests hold references, and the last of them brings us here again.
void FcmFile::Destroy() {
  if (representative_ != nullptr && !closing_) {
    closing_ = true;
    AddReference();
    [[maybe_unused]] const Status started = StartWrites();
    DropReference();
    return;
  }
  if (representative_ != nullptr) {
    services_.page_manager.Remove(this);
  }
  TakeOut(0, kNoPage);
  FileRepresentative* representative = representative_;
  Delete(this);
  if (representative != nullptr) {
    representative->CacheGone();
  }
}

Frame* FcmFile::FrameOf(Entry entry) const {
  return services_.frames.FrameOf(entry & ~kFlags);
}

void FcmFile::MakePermanent() {
  K42_ASSERT(is_memory_only(), "pages of a permanent file are written back or reclaimed");
  BePermanent();
}

void FcmFile::AddView(FcmPrivate* view) {
  if (permanent()) {
    return;
  }
  const SpinGuard guard(lock_);
  views_.PushBack(view);
}
void FcmFile::RemoveView(FcmPrivate* view) {
  if (permanent()) {
    return;
  }
  const SpinGuard guard(lock_);
  views_.Remove(view);
}

Status FcmFile::AddPageLocked(std::uint64_t page, Frame* frame, Entry flags) {
  Entry* entry = TRY(map_.FindOrAdd(page));
  *entry = frame->address | flags;
  resident_.store(resident_pages() + 1, std::memory_order_relaxed);
  return Status::kOk;
}

Status FcmFile::WithEntry(std::uint64_t page, FaultWaiter* waiter, Gathered use) {
  FillRequest* fill = nullptr;
  Status status = waiter != nullptr ? Status::kPending : Status::kWouldBlock;
  {
    const SpinGuard guard(lock_, kUse);
    if (page >= PagesOf(size())) {
      return Status::kOutOfRange;
    }
    Entry* entry = map_.Find(page);
    if (entry == nullptr && representative_ == nullptr) {
      Frame* frame = TRY(services_.frames.AllocateZeroed(FramePurpose::kUser));
      const Status added = AddPageLocked(page, frame, kDirty);
      if (!IsOk(added)) {
        services_.frames.DropReference(frame);
        return added;
      }
      entry = map_.Find(page);
    }
    if (entry != nullptr && (*entry & kFilling) == 0) {
      Mark(*entry, kUsed);
      return use(*entry, FrameOf(*entry));
    }
    if (entry == nullptr) {
      fill = TRY(NewFillLocked(page));
    }
    if (waiter != nullptr) {
      QueueOnFillLocked(page, waiter);
    }
  }
  if (fill != nullptr) {
    StartFill(fill);
  }
  return status;
}

Status FcmFile::MapPage(const FaultRequest& request, TlbGather& gather) {
  const Region& region = *request.region;
  const std::uint64_t page = PageIndex(region.OffsetOf(request.address));
  return WithEntry(page, request.waiter, [&](Entry& entry, Frame* frame) {
    if (request.access == Access::kWrite) {
      entry |= kDirty;
    }
    Mark(entry, kMapped);
    const Protection allowed = (entry & kDirty) != 0
                                   ? region.protection
                                   : region.protection & static_cast<Protection>(~kProtectWrite);
    return region.hat->Map(request.address, frame->address, allowed, gather);
  });
}

Status FcmFile::WithPage(const FaultRequest& request, PageUser use, TlbGather&) {
  const std::uint64_t page = PageIndex(request.region->OffsetOf(request.address));
  return WithEntry(page, request.waiter, [&](Entry& entry, Frame* frame) {
    if (request.access == Access::kWrite) {
      entry |= kDirty;
    }
    use(FrameAllocator::Data<unsigned char>(frame));
    return Status::kOk;
  });
}

Status FcmFile::WithFilePage(std::uint64_t offset, FaultWaiter* waiter,
                             FunctionRef<Status(Frame*)> use) {
  return WithEntry(PageIndex(offset), waiter, [&](Entry& entry, Frame* frame) {
    Mark(entry, kMapped);
    return use(frame);
  });
}

void FcmFile::WithPresent(std::uint64_t offset, std::uint64_t end,
                          FunctionRef<void(std::span<const PhysAddr>)> use) {
  PhysAddr frames[kPresent];
  const SpinGuard guard(lock_, kPresentPages);
  // What lies beyond the size is being dropped, or not yet part of the file: its translations are
  // nobody's to undo.
  const std::uint64_t first = PageIndex(offset);
  const std::uint64_t last =
      std::min({PageIndex(end), PagesOf(size()), first + std::uint64_t{kPresent}});
  Entry* entry = nullptr;  // of `page`, unless it is null
  for (std::uint64_t page = first; page < last; ++page) {
    if (page == first || page % PageMap::kRow == 0) {
      entry = map_.Row(page);
    }
    frames[page - first] = 0;
    if (entry != nullptr) {
      if (*entry != 0 && (*entry & kFilling) == 0) {
        Mark(*entry, kMapped);
        frames[page - first] = *entry & ~kFlags;
      }
      ++entry;
    }
  }
  if (first < last) {
    use({frames, last - first});
  }
}

// A few pages: views look at each of them.
void FcmFile::UnmapLocked(std::uint64_t first, std::uint64_t end, TlbGather& gather) {
  if (first == end) {
    return;
  }
  for (const Region& region : regions_) {
    const std::uint64_t low = PageIndex(region.offset);
    const std::uint64_t high = low + region.size() / kPageSize;
    const std::uint64_t from = first > low ? first : low;
    const std::uint64_t to = end < high ? end : high;
    if (from < to) {
      region.hat->Unmap(region.AddressOf(from << kPageShift), region.AddressOf(to << kPageShift),
                        gather);
    }
  }
  for (FcmPrivate& view : views_) {
    view.UnmapSource(first, end, gather);
  }
}

// Private views never map our pages for writing.
void FcmFile::RestrictLocked(std::uint64_t first, std::uint64_t end, TlbGather& gather) {
  for (const Region& region : regions_) {
    const std::uint64_t low = PageIndex(region.offset);
    const std::uint64_t high = low + region.size() / kPageSize;
    const std::uint64_t from = first > low ? first : low;
    const std::uint64_t to = end < high ? end : high;
    if (from < to) {
      region.hat->Restrict(region.AddressOf(from << kPageShift), region.AddressOf(to << kPageShift),
                           kProtectRead | kProtectExecute, gather);
    }
  }
}

// What leaves the map in batches. Between two of them others get the CPU, and on the way frames go
// back: until the CPUs have been told nobody can use them.
struct FcmFile::Leaving {
  explicit Leaving(FrameAllocator& frames) : gather(frames) {}
  void Pause() {
    constexpr std::uint32_t kMostHeld = 256;
    if (held >= kMostHeld) {
      gather.Finish();
      held = 0;
    }
    machine::Thread::PreemptionPoint();
  }
  TlbGather gather;
  std::uint32_t held = 0;
};

// Pages [first, end) go, whatever their state: out of the map and of page tables under one lock, so
// that no fault finds a page in between, and their frames when no translation is left. A frame that
// is being filled is its request's from now on. Page tables are asked for what the map had, and not
// for the whole range: regions may be far larger than the file. A batch at most; returns where to
// go on.
std::uint64_t FcmFile::TakeBatchLocked(std::uint64_t first, std::uint64_t end, Leaving& leaving) {
  TlbGather& gather = leaving.gather;
  std::uint32_t count = 0;
  std::uint64_t run = first, run_end = first;
  first = map_.RemoveRange(first, end, [&](std::uint64_t page, Entry& entry) K42_REQUIRES(lock_) {
    if ((entry & kFilling) == 0) {
      gather.DropListedLater(FrameOf(entry));
    }
    if (page != run_end) {
      UnmapLocked(run, run_end, gather);
      run = page;
    }
    run_end = page + 1;
    return ++count < kBatch;
  });
  UnmapLocked(run, run_end, gather);
  resident_.store(resident_pages() - count, std::memory_order_relaxed);
  leaving.held += count;
  return first;
}

void FcmFile::TakeOut(std::uint64_t first, std::uint64_t end) {
  Leaving leaving(services_.frames);
  while (first < end) {
    {
      const SpinGuard guard(lock_, kBatchOut);
      first = TakeBatchLocked(first, end, leaving);
    }
    leaving.Pause();
  }
  leaving.gather.Finish();
}

// Used or not, pinned by a reader or not: Reclaim may leave pages, and these would be stale. A page
// on its way in may be of before the change, so it goes too, and whoever waits for it asks again.
// Alone, because a page that a write has pinned is clean until it has been written.
void FcmFile::DropClean() {
  constexpr std::uint32_t kLooks = 256;
  const SizePass alone(size_gate_, SizeGate::Kind::kAlone);
  Leaving leaving(services_.frames);
  for (std::uint64_t next = 0; next != kNoPage;) {
    {
      const SpinGuard guard(lock_, kBatchOut);
      std::uint64_t run = next, run_end = next;  // of clean pages
      std::uint32_t looks = 0;
      next = map_.ForEach(next, kNoPage, [&](std::uint64_t page, Entry& entry) {
        const bool clean = (entry & (kDirty | kWriting)) == 0;
        if (run == run_end) {
          run = run_end = page;
        }
        if (page == run_end && clean) {
          ++run_end;
        } else if (run != run_end) {
          return false;
        }
        return ++looks < kLooks && run_end - run < kBatch;
      });
      if (run != run_end) {
        next = TakeBatchLocked(run, run_end, leaving);
      }
    }
    leaving.Pause();
  }
  leaving.gather.Finish();
}

// Clean pages in order from the hand; those used since the last round are passed over once. A
// victim's frame has a reference of ours until every CPU has been told: nobody else then takes it
// for free, and one that was made anew in its place has another frame.
std::uint64_t FcmFile::Reclaim(std::uint64_t wanted) {
  struct Victim {
    std::uint64_t page;
    Frame* frame;
  };
  Victim victims[PageManager::kBatch];
  std::uint64_t count = 0;
  const std::uint64_t limit = wanted < PageManager::kBatch ? wanted : PageManager::kBatch;
  constexpr Entry kBusy = kFilling | kDirty | kWriting;
  const auto is_free = [this](Entry entry) {
    return (entry & kBusy) == 0 && !FrameAllocator::IsShared(FrameOf(entry));
  };
  TlbGather gather(services_.frames);
  for (bool round_over = false; count < limit && !round_over;) {
    {
      const SpinGuard guard(lock_, kVictims);
      std::uint32_t looks = PageManager::kBatch * 8;
      clock_hand_ = map_.ForEach(clock_hand_, kNoPage,
                                 [&](std::uint64_t page, Entry& entry) K42_REQUIRES(lock_) {
                                   const bool more = --looks != 0;
                                   if (!is_free(entry)) {
                                     return more;
                                   }
                                   if ((entry & kUsed) != 0) {
                                     entry &= ~kUsed;
                                     return more;
                                   }
                                   if ((entry & kMapped) != 0) {
                                     UnmapLocked(page, page + 1, gather);
                                     entry &= ~kMapped;
                                   }
                                   Frame* frame = FrameOf(entry);
                                   FrameAllocator::AddReference(frame);
                                   victims[count++] = {page, frame};
                                   return more && count < limit;
                                 });
      round_over = clock_hand_ == kNoPage;
      if (round_over) {
        clock_hand_ = 0;
      }
    }
    machine::Thread::PreemptionPoint();
  }
  gather.Finish();
  std::uint64_t freed = 0;
  const SpinGuard guard(lock_, kFreed);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto [page, frame] = victims[i];
    services_.frames.DropReference(frame);
    const Entry* entry = map_.Find(page);
    if (entry != nullptr && FrameOf(*entry) == frame && is_free(*entry) &&
        (*entry & kMapped) == 0) {
      map_.RemoveRange(page, page + 1, [&](std::uint64_t, Entry& gone) {
        services_.frames.DropUnmapped(FrameOf(gone));
        return true;
      });
      ++freed;
    }
  }
  resident_.store(resident_pages() - freed, std::memory_order_relaxed);
  return freed;
}

}  // namespace k42::mem
