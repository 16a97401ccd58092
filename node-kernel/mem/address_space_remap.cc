// AddressSpace: resizing and moving one mapping (mremap).
#include "base/checked.h"
#include "mem/address_space_closure.h"
#include "mem/fcm_private.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::MutexGuard;
using machine::SpinGuard;

// A region like `region`, at another place and not yet anywhere; its fcm is the caller's to set.
Result<Region*> AddressSpace::CopyOf(const Region& region, std::uint64_t to) {
  Region* copy = TRY(New<Region>());
  copy->hat = &hat_;
  copy->start = to;
  copy->end = to + region.size();
  copy->offset = region.shared ? region.offset : to;
  copy->protection = region.protection;
  copy->fork = region.fork;
  copy->shared = region.shared;
  copy->may_write = region.may_write;
  copy->personality = region.personality;
  copy->large = region.large;
  return copy;
}

namespace {

// Where in its object a region shows what at `address`: behind that no region may wrap round, or
// the object could not find what shows its pages.
std::uint64_t SourceOffset(const Region& region, std::uint64_t address) {
  if (!region.fcm->is_private()) {
    return region.OffsetOf(address);
  }
  const auto* fcm = static_cast<const FcmPrivate*>(region.fcm);
  return fcm->source() == nullptr ? 0 : address + fcm->source_delta();
}

}  // namespace

Result<std::uint64_t> AddressSpace::Remap(const RemapRequest& request) {
  const std::uint64_t size = TRY(CheckedAlignUp(request.size, kPageSize));
  const std::uint64_t new_size = TRY(CheckedAlignUp(request.new_size, kPageSize));
  const std::uint64_t from = request.address;
  if (!IsAligned(from, kPageSize) || size == 0 || new_size == 0 ||
      !IsRangeWithin<std::uint64_t>(from, size, kLowest, abi::kUserMapLimit)) {
    return Status::kInvalidArgument;
  }
  const MutexGuard guard(change_);
  const Region* const region = FirstAbove(from);
  if (region == nullptr || region->start > from || region->end < from + size) {
    return Status::kBadAddress;
  }
  TRY(CheckedAdd(SourceOffset(*region, from), new_size));
  if (request.fixed) {
    const std::uint64_t to = request.new_address;
    if (!IsAligned(to, kPageSize) || !request.may_move ||
        !IsRangeWithin<std::uint64_t>(to, new_size, kLowest, abi::kUserMapLimit) ||
        (to < from + size && from < to + new_size)) {
      return Status::kInvalidArgument;
    }
    const std::uint64_t goes = size + MappedIn(to, to + new_size);
    if (new_size > goes) {
      TRY(CheckLimit(new_size, goes));
    }
    return Move(from, size, to, new_size);
  }
  if (new_size > size) {
    TRY(CheckLimit(new_size - size, 0));
  }
  bool done = false;
  const Result<std::uint64_t> in_place = RemapInPlace(request, size, new_size, done);
  if (done) {
    return in_place;
  }
  if (!request.may_move) {
    return Status::kNoMemory;
  }
  return Move(from, size, TRY(FindGap(new_size, kLowest, abi::kUserMapLimit)), new_size);
}

// Shrinking, or growing into free space behind the region.
Result<std::uint64_t> AddressSpace::RemapInPlace(const RemapRequest& request, std::uint64_t size,
                                                 std::uint64_t new_size, bool& done) {
  const std::uint64_t end = request.address + size;
  const std::uint64_t new_end = request.address + new_size;
  done = true;
  if (new_size <= size) {
    if (new_size < size) {
      const Closure closed(*this, new_end, end);
      TRY(UnmapClosed(new_end, end));
    }
    return request.address;
  }
  const bool room =
      IsRangeWithin<std::uint64_t>(request.address, new_size, kLowest, abi::kUserMapLimit) &&
      IsFree(end, new_end);
  if (!room) {
    done = false;
    return Status::kNoMemory;
  }
  const Closure closed(*this, request.address, new_end);
  Region* const region = FirstAbove(request.address);
  {
    const SpinGuard guard(lock_);
    region->fcm->Grow(region, new_end);
  }
  AddMapped(static_cast<std::int64_t>(new_size - size));
  return request.address;
}

// The pages change their place in the map, not in memory: counted by both for a moment, then let go
// by the old one.
Result<std::uint64_t> AddressSpace::Move(std::uint64_t from, std::uint64_t size, std::uint64_t to,
                                         std::uint64_t new_size) {
  const Closure closed(*this, 0, abi::kUserLimit);
  const std::uint64_t kept = size < new_size ? size : new_size;
  TRY(UnmapClosed(to, to + new_size));
  if (kept < size) {
    TRY(UnmapClosed(from + kept, from + size));
  }
  TRY(SplitAt(from));
  TRY(SplitAt(from + kept));
  Region* old = FirstAbove(from);
  Region* region = TRY(CopyOf(*old, to));
  region->end = to + new_size;
  Status status = Status::kOk;
  if (old->fcm->is_private()) {
    auto* fcm = static_cast<FcmPrivate*>(old->fcm);
    const Result<FcmPrivate*> moved =
        FcmPrivate::Create(services_, fcm->source(), fcm->source_delta() - (to - from));
    status = moved.status();
    if (moved.ok()) {
      region->fcm = moved.value();
      status = moved.value()->ShareFrom(*fcm, from, from + kept, to - from);
    }
  } else {
    region->fcm = old->fcm;
    region->fcm->AddReference();
  }
  if (!IsOk(status)) {
    if (region->fcm != nullptr) {
      region->fcm->DropReference();
    }
    Delete(region);
    return status;
  }
  TRY(Insert(region));
  TRY(UnmapClosed(from, from + kept));
  AddMapped(
      static_cast<std::int64_t>(new_size));  // not both at once: the peak is what was asked for
  return to;
}

}  // namespace k42::mem
