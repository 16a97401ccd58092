#include "mem/fcm_private.h"

#include "machine/thread.h"
#include "mem/fcm_file.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::SpinGuard;

namespace {

// A page table's lock is taken within this one: hat.cc.
constexpr machine::HoldReason kEntered{
    7000 + kChunkMade, "the page goes into the map and the table, whose nodes may be missing"};
constexpr machine::HoldReason kSome{8000 + kChunkMade, "32 entries of the map, and nodes for them"};
constexpr machine::HoldReason kNeighbours{12000, "up to 32 pages around go into the table"};
constexpr machine::HoldReason kSource{
    20000,
    "the regions that show up to 16 of the file's pages; per page a look into map and table"};
constexpr machine::HoldReason kForked{
    60000 + kChunkMade,
    "64 pages lose their write permission in one table and enter another, 16 are copied"};
constexpr machine::HoldReason kUsed{1500, "a page is found, and its bytes are copied"};

// Pages handled between two chances for other threads (and within one lock).
constexpr std::uint32_t kBatch = 32;

// Pages of the aligned piece of a file that a read fault maps.
constexpr std::uint64_t kAround = FcmFile::kPresent;
static_assert(kAround <= Hat::kLeaves);

Protection WithoutWrite(Protection protection) {
  return protection & static_cast<Protection>(~kProtectWrite);
}

}  // namespace

Result<FcmPrivate*> FcmPrivate::Create(MemoryServices& services, FcmFile* source,
                                       std::uint64_t source_delta) {
  FcmPrivate* fcm = TRY(New<FcmPrivate>(services, source, source_delta));
  if (source != nullptr) {
    source->AddReference();
    source->AddView(fcm);
  }
  return fcm;
}

void FcmPrivate::Destroy() {
  Forget(nullptr, 0, ~std::uint64_t{0});
  if (source_ != nullptr) {
    source_->RemoveView(this);
    source_->DropReference();
  }
  Delete(this);
}

std::uint64_t FcmPrivate::ObjectOffset(std::uint64_t offset) const {
  return source_ != nullptr ? offset + source_delta_ : 0;
}
FcmIdentity FcmPrivate::identity() const {
  return source_ != nullptr ? source_->identity() : FcmIdentity{};
}

// The first access to a page that is there takes this path and no other.
Status FcmPrivate::MapPage(const FaultRequest& request, TlbGather& gather) {
  if (request.large && MapLarge(request, gather)) [[unlikely]] {
    return Status::kOk;
  }
  {
    const SpinGuard guard(lock_, kOneMapped);
    if (const PageMap::Entry* entry = map_.Find(PageIndex(request.address))) {
      Frame* frame = services_.frames.FrameOf(*entry);
      if (request.access != Access::kWrite || !FrameAllocator::IsShared(frame)) {
        return MapOwnLocked(request, frame, gather);
      }
    }
  }
  return MakePage(request, gather);
}

Status FcmPrivate::MapOwnLocked(const FaultRequest& request, Frame* frame, TlbGather& gather) {
  const Region& region = *request.region;
  const Protection protection =
      FrameAllocator::IsShared(frame) ? WithoutWrite(region.protection) : region.protection;
  return region.hat->Map(request.address, frame->address, protection, gather);
}

// Frames are allocated, cleared and copied outside the lock; Insert sees whether the page is still
// as it was. If not, the access is simply made again.
Status FcmPrivate::MakePage(const FaultRequest& request, TlbGather& gather) {
  FrameAllocator& frames = services_.frames;
  Frame* original = nullptr;  // with a reference of ours
  {
    const SpinGuard guard(lock_, kOneMapped);
    if (const PageMap::Entry* entry = map_.Find(PageIndex(request.address))) {
      original = frames.FrameOf(*entry);
      // Another CPU may have made it since the caller looked, and be writing to it: a copy would
      // lose that. (And a small entry the large one that it may have mapped: look again.)
      if (request.access != Access::kWrite || !FrameAllocator::IsShared(original)) {
        return request.large ? Status::kOk : MapOwnLocked(request, original, gather);
      }
      FrameAllocator::AddReference(original);
    }
  }
  if (original != nullptr) {
    Frame* fresh = nullptr;
    Status status = CopyOf(original, fresh);
    if (IsOk(status)) {
      status = Insert(request, fresh, original, gather);
    }
    gather.DropLater(original);
    return status;
  }
  if (source_ == nullptr) {
    if (request.large && TRY(MakeLarge(request, gather))) {
      return Status::kOk;
    }
    return Insert(request, TRY(frames.AllocateZeroed(FramePurpose::kUser)), nullptr, gather);
  }
  const std::uint64_t source_offset = request.address + source_delta_;
  // What the personality reads of its own variables it writes a moment later.
  const Region& region = *request.region;
  const bool own = request.access == Access::kWrite ||
                   (region.personality && Permits(region.protection, Access::kWrite));
  if (!own) {
    TRY(source_->WithFilePage(source_offset, request.waiter, [&](Frame* page) {
      const SpinGuard guard(lock_, kOneMapped);
      if (map_.Find(PageIndex(request.address)) != nullptr) {
        return Status::kOk;  // written meanwhile: the access, made again, finds it
      }
      return request.region->hat->Map(request.address, page->address,
                                      WithoutWrite(request.region->protection), gather);
    }));
    MapAround(request);
    return Status::kOk;
  }
  TRY(source_->WithFilePage(source_offset, request.waiter, [&](Frame* page) {
    FrameAllocator::AddReference(page);
    original = page;
    return Status::kOk;
  }));
  Frame* fresh = nullptr;
  const Status status = CopyOf(original, fresh);
  frames.DropReference(original);
  return IsOk(status) ? Insert(request, fresh, nullptr, gather) : status;
}

// The neighbours that are in memory, too: a program that starts touches many pages of few files,
// and a fault costs as much as mapping half a dozen.
void FcmPrivate::MapAround(const FaultRequest& request) {
  const Region& region = *request.region;
  const std::uint64_t window = AlignDown(request.address, kAround * kPageSize);
  const std::uint64_t start = window > region.start ? window : region.start;
  const std::uint64_t end =
      region.end - window < kAround * kPageSize ? region.end : window + kAround * kPageSize;
  const machine::PageTableEntry bits = Hat::LeafEntry(0, WithoutWrite(region.protection));
  source_->WithPresent(
      start + source_delta_, end + source_delta_, [&](std::span<const PhysAddr> frames) {
        Hat::Leaves leaves;
        const SpinGuard guard(lock_, kNeighbours);
        const bool replaced = !map_.empty();
        std::uint64_t address = start;
        for (const PhysAddr frame : frames) {
          if (frame != 0 && !(replaced && map_.Find(PageIndex(address)) != nullptr)) {
            leaves.leaf[leaves.count++] = {address, frame | bits, false};
          }
          address += kPageSize;
        }
        region.hat->MapLeaves(leaves);
      });
}

Status FcmPrivate::CopyOf(Frame* original, Frame*& copy_out) {
  copy_out = TRY(services_.frames.Allocate(FramePurpose::kUser));
  machine::CopyPage(FrameAllocator::Data(copy_out), FrameAllocator::Data(original));
  return Status::kOk;
}

// Puts `fresh` (consumed) in the place of `expected`, which loses the map's reference when no CPU
// can reach it any more.
Status FcmPrivate::Insert(const FaultRequest& request, Frame* fresh, Frame* expected,
                          TlbGather& gather) {
  FrameAllocator& frames = services_.frames;
  Status status = Status::kOk;
  bool used = false;
  {
    const SpinGuard guard(lock_, kEntered);
    const PageMap::Entry* found = map_.Find(PageIndex(request.address));
    if ((found == nullptr ? 0 : *found) == (expected == nullptr ? 0 : expected->address)) {
      const Result<PageMap::Entry*> entry = map_.FindOrAdd(PageIndex(request.address));
      status = entry.status();
      if (entry.ok()) {
        *entry.value() = fresh->address;
        used = true;
        status = MapOwnLocked(request, fresh, gather);
      }
    }
  }
  if (!used) {
    frames.DropReference(fresh);
  } else if (expected != nullptr) {
    gather.DropLater(expected);
  }
  return status;
}

Status FcmPrivate::WithPage(const FaultRequest& request, PageUser use, TlbGather& gather) {
  for (;;) {
    {
      const SpinGuard guard(lock_, kUsed);
      if (const PageMap::Entry* entry = map_.Find(PageIndex(request.address))) {
        Frame* frame = services_.frames.FrameOf(*entry);
        if (request.access != Access::kWrite || !FrameAllocator::IsShared(frame)) {
          use(FrameAllocator::Data<unsigned char>(frame));
          return Status::kOk;
        }
      }
    }
    if (source_ != nullptr && request.access != Access::kWrite) {
      bool written = false;
      TRY(source_->WithFilePage(request.address + source_delta_, request.waiter, [&](Frame* page) {
        const SpinGuard guard(lock_, kUsed);
        written = map_.Find(PageIndex(request.address)) != nullptr;
        if (!written) {
          use(FrameAllocator::Data<unsigned char>(page));
        }
        return Status::kOk;
      }));
      if (!written) {
        return Status::kOk;
      }
      continue;
    }
    TRY(MakePage(request, gather));
    gather.Finish();
  }
}

bool FcmPrivate::IsEmpty() {
  const SpinGuard guard(lock_);
  return map_.empty();
}

void FcmPrivate::Forget(Region*, std::uint64_t start, std::uint64_t end) {
  std::uint64_t next = PageIndex(start);
  const std::uint64_t last = IsEmpty() ? next : PageIndex(end);
  while (next < last) {
    Frame* gone[kBatch];
    std::uint32_t count = 0;
    {
      const SpinGuard guard(lock_, kSome);
      next = map_.RemoveRange(next, last, [&](std::uint64_t, PageMap::Entry& entry) {
        gone[count++] = services_.frames.FrameOf(entry);
        return count < kBatch;
      });
    }
    for (std::uint32_t i = 0; i < count; ++i) services_.frames.DropUnmapped(gone[i]);
    machine::Thread::PreemptionPoint();
  }
}

// Gives the page a frame of its own, a copy. False: no memory.
bool FcmPrivate::CopyNow(Hat::Leaf& leaf) {
  FrameAllocator& frames = services_.frames;
  Frame* fresh = nullptr;
  if (!IsOk(CopyOf(frames.FrameOf(machine::PteAddress(leaf.entry)), fresh))) {
    return false;
  }
  const SpinGuard guard(lock_, kEntered);
  const Result<PageMap::Entry*> entry = map_.FindOrAdd(PageIndex(leaf.address));
  if (!entry.ok()) {
    frames.DropReference(fresh);
    return false;
  }
  *entry.value() = fresh->address;
  leaf.entry = (leaf.entry & ~machine::kPteAddressMask) | fresh->address;
  return true;
}

// A page of the source is in our page table for as long as the source keeps it: so its lock is held
// from reading the parent's table to writing ours. Our own pages nobody takes away, and the parent
// is closed. Nobody uses the copy before the gather is finished, so a CPU that still writes through
// an old translation writes what both will see.
Status FcmPrivate::ForkFrom(FcmPrivate& parent, Region& from, Region& to, std::uint32_t& own,
                            TlbGather& gather) {
  Hat::Leaves leaves;
  for (std::uint64_t at = from.start; at < from.end;) {
    const auto batch = [&] {
      at = from.hat->ForkLeaves(at, from.end, own, leaves, gather);
      for (std::uint32_t i = 0; i < leaves.count; ++i) {
        Hat::Leaf& leaf = leaves.leaf[i];
        if (leaf.own && !CopyNow(leaf)) {
          leaf.own = false;
          from.hat->Restrict(leaf.address, leaf.address + kPageSize, WithoutWrite(from.protection),
                             gather);
        }
      }
      to.hat->MapLeaves(leaves);
    };
    if (source_ != nullptr) {
      source_->Locked(kForked, batch);
    } else {
      batch();
    }
    machine::Thread::PreemptionPoint();
  }
  return ShareFrom(parent, from.start, from.end, 0);
}

Status FcmPrivate::ShareFrom(FcmPrivate& other, std::uint64_t start, std::uint64_t end,
                             std::uint64_t shift) {
  FrameAllocator& frames = services_.frames;
  std::uint64_t next = PageIndex(start);
  while (next < PageIndex(end)) {
    std::uint64_t indices[kBatch];
    Frame* shared[kBatch];
    std::uint32_t count = 0;
    {
      const SpinGuard guard(other.lock_, kSome);
      next = other.map_.ForEach(next, PageIndex(end), [&](std::uint64_t index, auto& entry) {
        indices[count] = PageIndex((index << kPageShift) + shift);
        shared[count] = frames.FrameOf(entry);
        FrameAllocator::AddReference(shared[count]);
        return ++count < kBatch;
      });
    }
    if (count == 0) {
      break;
    }
    Status status = Status::kOk;
    std::uint32_t done = 0;
    {
      const SpinGuard guard(lock_, kSome);
      for (; done < count && IsOk(status); ++done) {
        const Result<PageMap::Entry*> entry = map_.FindOrAdd(indices[done]);
        status = entry.status();
        if (!entry.ok()) {
          break;
        }
        if (*entry.value() != 0) {  // has its own
          frames.DropReference(shared[done]);
          continue;
        }
        *entry.value() = shared[done]->address;
      }
    }
    for (; done < count; ++done) {
      frames.DropReference(shared[done]);
    }
    TRY(status);
    machine::Thread::PreemptionPoint();
  }
  return Status::kOk;
}

void FcmPrivate::UnmapSource(std::uint64_t first, std::uint64_t end, TlbGather& gather) {
  const SpinGuard guard(lock_, kSource);
  for (const Region& region : regions_) {
    const std::uint64_t low = PageIndex(region.start + source_delta_);
    const std::uint64_t high = low + region.size() / kPageSize;
    const std::uint64_t from = first > low ? first : low;
    const std::uint64_t to = end < high ? end : high;
    for (std::uint64_t page = from; page < to; ++page) {
      const std::uint64_t address = (page << kPageShift) - source_delta_;
      if (map_.Find(PageIndex(address)) == nullptr) {
        region.hat->Unmap(address, address + kPageSize, gather);
      } else {
        // It has been replaced, perhaps just now.
        region.hat->JoinUnfinished(address, address + kPageSize, gather);
      }
    }
  }
}

}  // namespace k42::mem
