// AddressSpace: map, unmap, protect, advise.
#include "base/checked.h"
#include "mem/address_space_closure.h"
#include "mem/fcm_file.h"
#include "mem/fcm_private.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::MutexGuard;
using machine::SpinGuard;

namespace {

// [address, address + size) in whole pages within the user half, or why not.
Result<std::uint64_t> CheckedEnd(std::uint64_t address, std::uint64_t size) {
  if (!IsAligned(address, kPageSize) || size == 0) {
    return Status::kInvalidArgument;
  }
  const std::uint64_t rounded = TRY(CheckedAlignUp(size, kPageSize));
  if (!IsRangeWithin<std::uint64_t>(address, rounded, 0, abi::kUserLimit)) {
    return Status::kInvalidArgument;
  }
  return address + rounded;
}

}  // namespace

// -- map ------------------------------------------------------------------------------------------

Status AddressSpace::CheckMap(const MapRequest& request, std::uint64_t size) const {
  if (request.shared && (request.protection & kProtectWrite) != 0 && !request.may_write) {
    return Status::kPermissionDenied;
  }
  if (!IsAligned(request.offset, kPageSize)) {
    return Status::kInvalidArgument;
  }
  TRY(CheckedAdd(request.offset, size));
  // A promise that the whole node could not keep is refused, unless it is meant as a reservation.
  const bool promised =
      request.source == nullptr && !request.no_reserve && (request.protection & kProtectWrite) != 0;
  if (promised && size / kPageSize > services_.frames.total_frames()) {
    return Status::kNoMemory;
  }
  return request.large == LargePages::kPromised ? CheckPromised(request, size) : Status::kOk;
}

// Looked at, not set aside.
Status AddressSpace::CheckPromised(const MapRequest& request, std::uint64_t size) const {
  if (request.shared || request.source != nullptr || request.personality) {
    return Status::kInvalidArgument;
  }
  if (request.no_reserve) {
    return Status::kOk;
  }
  const FrameAllocator& frames = services_.frames;
  const std::uint64_t kept = frames.user_reserve() + frames.promised_frames();
  const std::uint64_t free = frames.frames_without_caches();
  return size / kLargePageSize > frames.large_chunks() || free < kept ||
                 size / kPageSize > free - kept
             ? Status::kNoMemory
             : Status::kOk;
}

bool AddressSpace::IsFree(std::uint64_t start, std::uint64_t end) const {
  const Region* region = FirstAbove(start);
  return region == nullptr || region->start >= end;
}

// The highest aligned gap of `size` bytes in [low, high).
Result<std::uint64_t> AddressSpace::FindGap(std::uint64_t size, std::uint64_t low,
                                            std::uint64_t high, std::uint64_t alignment) const {
  std::uint64_t end = high;
  for (const Region* region = regions_.Floor(high - 1); region != nullptr && end > low;
       region = regions_.Previous(region)) {
    const std::uint64_t begin = region->end > low ? region->end : low;
    if (begin < end && end - begin >= size && AlignDown(end - size, alignment) >= begin) {
      return AlignDown(end - size, alignment);
    }
    end = region->start < end ? region->start : end;
  }
  if (end > low && end - low >= size && AlignDown(end - size, alignment) >= low) {
    return AlignDown(end - size, alignment);
  }
  return Status::kNoMemory;
}

Result<std::uint64_t> AddressSpace::Place(const MapRequest& request, std::uint64_t size) {
  const std::uint64_t low = request.personality ? abi::kPersonalityBase : kLowest;
  const std::uint64_t high = request.personality ? abi::kUserLimit : abi::kUserMapLimit;
  const std::uint64_t alignment =
      request.large == LargePages::kPromised ? kLargePageSize : kPageSize;
  // So that as many as possible lie in it.
  const bool aligned =
      !request.shared && request.source == nullptr && size >= kLargePageSize &&
      services_.large_policy.load(std::memory_order_relaxed) == LargePolicy::kAlways;
  if (request.placement == Placement::kAnywhere) {
    const std::uint64_t hint = AlignDown(request.address, alignment);
    if (hint != 0 && IsRangeWithin(hint, size, low, high) && IsFree(hint, hint + size)) {
      return hint;
    }
    if (request.personality) {
      return FindGap(size, abi::kImageBase, abi::kPersonalityLimit);
    }
    if (aligned) {
      if (const auto gap = FindGap(size, low, high, kLargePageSize); gap.ok()) {
        return gap;
      }
    }
    return FindGap(size, low, high, alignment);
  }
  if (!IsAligned(request.address, alignment)) {
    return Status::kInvalidArgument;
  }
  if (!IsRangeWithin(request.address, size, low, high)) {
    return request.address < low ? Status::kPermissionDenied : Status::kNoMemory;
  }
  if (request.placement == Placement::kFixedNoReplace &&
      !IsFree(request.address, request.address + size)) {
    return Status::kAlreadyExists;
  }
  return request.address;
}

Result<std::uint64_t> AddressSpace::Map(const MapRequest& request) {
  if (request.size == 0) {
    return Status::kInvalidArgument;
  }
  const std::uint64_t size = TRY(CheckedAlignUp(
      request.size, request.large == LargePages::kPromised ? kLargePageSize : kPageSize));
  TRY(CheckMap(request, size));
  std::uint64_t address = 0;
  {
    const MutexGuard guard(change_);
    address = TRY(Place(request, size));
    TRY(CheckLimit(size, MappedIn(address, address + size)));
    if (IsFree(address, address + size) && Extendable(request, address) == nullptr) {
      // No region changes: none need be closed.
      Region* const region = TRY(NewRegion(request, address, size));
      TRY(Insert(region));
    } else {
      const Closure closed(*this, address, address + size);
      TRY(UnmapClosed(address, address + size));
      if (!ExtendNeighbour(request, address, size)) {
        Region* const region = TRY(NewRegion(request, address, size));
        TRY(Insert(region));
      }
    }
    AddMapped(static_cast<std::int64_t>(size));
  }
  if (request.populate) {
    const bool writable = (request.protection & kProtectWrite) != 0;
    Populate(address, address + size, writable ? Access::kWrite : Access::kRead);
  }
  return address;
}

// Private zero-filled memory next to such memory becomes part of it: its FcmPrivate is keyed by
// address, so it has room there.
Region* AddressSpace::Extendable(const MapRequest& request, std::uint64_t address) {
  if (request.shared || request.source != nullptr || address == 0) {
    return nullptr;
  }
  const SpinGuard guard(lock_, kRegion);
  Region* low = FindLocked(address - 1);
  if (low == nullptr || low->shared || !low->fcm->is_private() ||
      static_cast<FcmPrivate*>(low->fcm)->source() != nullptr ||
      low->protection != request.protection || low->personality != request.personality ||
      low->fork != request.fork || low->large != request.large) {
    return nullptr;
  }
  return low;
}

bool AddressSpace::ExtendNeighbour(const MapRequest& request, std::uint64_t address,
                                   std::uint64_t size) {
  Region* low = Extendable(request, address);
  if (low == nullptr) {
    return false;
  }
  const SpinGuard guard(lock_, kRegion);
  low->fcm->Grow(low, address + size);
  return true;
}

Result<Region*> AddressSpace::NewRegion(const MapRequest& request, std::uint64_t address,
                                        std::uint64_t size) {
  Fcm* fcm = nullptr;
  if (!request.shared) {
    // Only a page cache can be seen through a private view.
    auto* file = request.source == nullptr ? nullptr : request.source->AsFile();
    if (request.source != nullptr && file == nullptr) {
      return Status::kNotSupported;
    }
    fcm = TRY(FcmPrivate::Create(services_, file, request.offset - address));
  } else if (request.source == nullptr) {
    fcm = TRY(FcmFile::Create(services_, nullptr, size));
  } else {
    fcm = request.source;
    fcm->AddReference();
  }
  const Result<Region*> made = New<Region>();
  if (!made.ok()) {
    fcm->DropReference();
    return made.status();
  }
  Region* region = made.value();
  region->hat = &hat_;
  region->fcm = fcm;
  region->start = address;
  region->end = address + size;
  region->offset = request.shared ? request.offset : address;
  region->protection = request.protection;
  region->shared = request.shared;
  region->may_write = request.may_write || !request.shared;
  region->personality = request.personality;
  region->fork = request.fork;
  region->large = request.large;
  return region;
}

Status AddressSpace::Insert(Region* region) {
  Status status = Status::kOk;
  {
    const SpinGuard guard(lock_, kRegion);
    status = region->fcm->Attach(region);
    if (IsOk(status)) {
      regions_.Insert(region);
    }
  }
  if (!IsOk(status)) {
    region->fcm->DropReference();
    Delete(region);
  }
  return status;
}

// -- unmap ----------------------------------------------------------------------------------------

Status AddressSpace::UnmapClosed(std::uint64_t start, std::uint64_t end) {
  TRY(SplitAt(start));
  TRY(SplitAt(end));
  TlbGather gather(services_.frames);
  for (Region* region = FirstAbove(start); region != nullptr && region->start < end;
       region = Next(region)) {
    region->fcm->Hide(region, gather);
  }
  gather.Finish();
  IntrusiveList<Region> gone;
  std::uint64_t bytes = 0;
  for (;;) {
    const SpinGuard guard(lock_, kRegion);
    Region* region = FirstAboveLocked(start);
    if (region == nullptr || region->start >= end) {
      break;
    }
    regions_.Remove(region);
    region->fcm->Abandon(region);
    bytes += region->size();
    gone.PushBack(region);
  }
  AddMapped(-static_cast<std::int64_t>(bytes));
  GiveBack(gone);
  return Status::kOk;
}

Status AddressSpace::Unmap(std::uint64_t address, std::uint64_t size) {
  const std::uint64_t end = TRY(CheckedEnd(address, size));
  const MutexGuard guard(change_);
  const Closure closed(*this, address, end);
  return UnmapClosed(address, end);
}

// -- protect, advise ------------------------------------------------------------------------------

template <typename F>
Status AddressSpace::ForEachWhole(std::uint64_t start, std::uint64_t end, F change) {
  TRY(SplitAt(start));
  TRY(SplitAt(end));
  for (std::uint64_t at = start; at < end;) {
    Region* region = FirstAbove(at);
    if (region == nullptr || region->start != at) {
      return Status::kOutOfRange;
    }
    TRY(change(region));
    at = region->end;
  }
  return Status::kOk;
}

Status AddressSpace::Protect(std::uint64_t address, std::uint64_t size, Protection protection) {
  if (size == 0) {
    return Status::kOk;
  }
  const std::uint64_t end = TRY(CheckedEnd(address, size));
  const MutexGuard guard(change_);
  const Closure closed(*this, address, end);
  TlbGather gather(services_.frames);
  const Status status = ForEachWhole(address, end, [&](Region* region) {
    if ((protection & kProtectWrite) != 0 && !region->may_write) {
      return Status::kPermissionDenied;
    }
    region->fcm->SetProtection(region, protection, gather);
    return Status::kOk;
  });
  gather.Finish();
  MergeAround(address, end);
  return status;
}

Status AddressSpace::Advise(std::uint64_t address, std::uint64_t size, Advice advice) {
  if (size == 0) {
    return Status::kOk;
  }
  const std::uint64_t end = TRY(CheckedEnd(address, size));
  if (advice == Advice::kPopulateRead || advice == Advice::kPopulateWrite) {
    Populate(address, end, advice == Advice::kPopulateRead ? Access::kRead : Access::kWrite);
    return Status::kOk;
  }
  const MutexGuard guard(change_);
  const Closure closed(*this, address, end);
  if (advice == Advice::kDontNeed) {
    TlbGather gather(services_.frames);
    for (std::uint64_t at = address; at < end;) {
      at = hat_.UnmapPiece(address, at, end, gather);
      machine::Thread::PreemptionPoint();
    }
    gather.Finish();
  }
  const Status status = ForEachWhole(address, end, [&](Region* region) {
    if (advice == Advice::kDontNeed) {
      region->fcm->Forget(region, region->start, region->end);
      return Status::kOk;
    }
    if (advice == Advice::kWipeOnFork && region->shared) {
      return Status::kInvalidArgument;
    }
    if (advice == Advice::kLargePages || advice == Advice::kSmallPages) {
      if (region->large == LargePages::kPromised) {
        return Status::kInvalidArgument;
      }
      region->large = advice == Advice::kLargePages ? LargePages::kWanted : LargePages::kRefused;
      return Status::kOk;
    }
    region->fork = advice == Advice::kDontFork     ? ForkPolicy::kOmit
                   : advice == Advice::kWipeOnFork ? ForkPolicy::kWipe
                                                   : ForkPolicy::kCopy;
    return Status::kOk;
  });
  MergeAround(address, end);
  return status;
}

void AddressSpace::Populate(std::uint64_t start, std::uint64_t end, Access access) {
  for (std::uint64_t at = start, next = at; at < end; at = next) {
    const Status status = HandleFault(at, access, nullptr);
    if (!IsOk(status) && status != Status::kWouldBlock) {
      return;
    }
    // A look per large page, not per page: all of it is there then.
    const bool look = hat_.large_pages() != 0 && (at == start || IsAligned(at, kLargePageSize));
    next = look && (hat_.EntryOf(at) & machine::kPteLarge) != 0
               ? AlignDown(at, kLargePageSize) + kLargePageSize
               : at + kPageSize;
    machine::Thread::PreemptionPoint();
  }
}

// -- sums -----------------------------------------------------------------------------------------

std::uint64_t AddressSpace::MappedIn(std::uint64_t start, std::uint64_t end) const {
  std::uint64_t bytes = 0;
  for (Region* region = FirstAbove(start); region != nullptr && region->start < end;
       region = Next(region)) {
    const std::uint64_t from = region->start > start ? region->start : start;
    bytes += (region->end < end ? region->end : end) - from;
  }
  return bytes;
}

Status AddressSpace::CheckLimit(std::uint64_t more, std::uint64_t less) {
  const SpinGuard guard(lock_);
  const std::uint64_t after = mapped_ - less;
  return more > limit_ || after > limit_ - more ? Status::kLimitExceeded : Status::kOk;
}

void AddressSpace::AddMapped(std::int64_t bytes) {
  const SpinGuard guard(lock_);
  mapped_ += static_cast<std::uint64_t>(bytes);
  peak_mapped_ = mapped_ > peak_mapped_ ? mapped_ : peak_mapped_;
}

}  // namespace k42::mem
