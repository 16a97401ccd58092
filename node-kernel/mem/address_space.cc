// AddressSpace: birth and death, closing ranges, splitting and merging regions.
#include "mem/address_space.h"

#include "base/assert.h"
#include "mem/address_space_closure.h"
#include "mem/fcm.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::MutexGuard;
using machine::SpinGuard;

AddressSpace::AddressSpace(MemoryServices& services)
    : hat_(services.frames, services.loaded_hats), services_(services) {}

Result<AddressSpace*> AddressSpace::Create(MemoryServices& services) {
  AddressSpace* space = TRY(New<AddressSpace>(services));
  const Status status = space->hat_.Initialise();
  if (!IsOk(status)) {
    Delete(space);
    return status;
  }
  return space;
}

// The page tables go as a whole, before the pages: entry by entry would be half the cost of an
// exit.
void AddressSpace::Destroy() {
  IntrusiveList<Region> gone;
  for (;;) {
    const SpinGuard guard(lock_, kRegion);
    K42_ASSERT(waiters_.empty(), "a fault waits in an address space that goes");
    Region* region = FirstAboveLocked(0);
    if (region == nullptr) {
      break;
    }
    regions_.Remove(region);
    region->fcm->Abandon(region);
    gone.PushBack(region);
  }
  hat_.Destroy();
  GiveBack(gone);
  Delete(this);
}

// What the regions showed. No translation is left anywhere.
void AddressSpace::GiveBack(IntrusiveList<Region>& gone) {
  while (Region* region = gone.PopFront()) {
    region->fcm->Forget(region, region->start, region->end);
    region->fcm->DropReference();
    Delete(region);
  }
}

// -- closing --------------------------------------------------------------------------------------

AddressSpace::Closure::Closure(AddressSpace& space, std::uint64_t start, std::uint64_t end)
    : space_(space) {
  const std::uint64_t touched_end = end;
  for (Region* region = space.FirstAbove(start == 0 ? 0 : start - 1);
       region != nullptr && region->start <= touched_end; region = space.Next(region)) {
    start = region->start < start ? region->start : start;
    end = region->end > end ? region->end : end;
  }
  {
    const SpinGuard guard(space.lock_);
    space.closed_start_ = start_ = start;
    space.closed_end_ = end_ = end;
  }
  // No request can enter now; those inside are counted.
  for (Region* region = space.FirstAbove(start); region != nullptr && region->start < end;
       region = space.Next(region)) {
    WakeUp drained;
    if (!region->requests.Stop(&drained)) {
      drained.Wait();
    }
  }
}

AddressSpace::Closure::~Closure() {
  for (Region* region = space_.FirstAbove(start_); region != nullptr && region->start < end_;
       region = space_.Next(region)) {
    region->requests.Resume();
  }
  FaultWaiters waiters;
  {
    const SpinGuard guard(space_.lock_);
    space_.closed_start_ = space_.closed_end_ = 0;
    waiters.Append(space_.waiters_);
  }
  NotifyAll(waiters, Status::kOk);
}

// -- regions --------------------------------------------------------------------------------------

Region* AddressSpace::FindLocked(std::uint64_t address) const {
  Region* region = regions_.Floor(address);
  return region != nullptr && address < region->end ? region : nullptr;
}

Region* AddressSpace::FirstAboveLocked(std::uint64_t address) const {
  Region* region = regions_.Floor(address);
  if (region != nullptr && address < region->end) {
    return region;
  }
  return regions_.Ceiling(address);
}

Status AddressSpace::SplitAt(std::uint64_t at) {
  Region* low = nullptr;
  {
    const SpinGuard guard(lock_, kRegion);
    low = FindLocked(at);
  }
  if (low == nullptr || low->start == at) {
    return Status::kOk;
  }
  Region* high = TRY(New<Region>());
  high->hat = low->hat;
  high->fcm = low->fcm;
  high->protection = low->protection;
  high->fork = low->fork;
  high->shared = low->shared;
  high->may_write = low->may_write;
  high->personality = low->personality;
  high->large = low->large;
  high->fcm->AddReference();
  Status status = Status::kOk;
  {
    const SpinGuard guard(lock_, kRegion);
    status = low->fcm->Split(low, high, at);
    if (IsOk(status)) {
      regions_.Insert(high);
    }
  }
  if (!IsOk(status)) {
    high->fcm->DropReference();
    Delete(high);
  }
  return status;
}

// The references of `high` are the caller's to drop, without locks.
bool AddressSpace::TryMergeLocked(Region* low, Region* high) {
  if (low == nullptr || high == nullptr || low->end != high->start || !low->Matches(*high) ||
      low->OffsetOf(low->end) != high->offset) {
    return false;
  }
  regions_.Remove(high);
  low->fcm->Merge(low, high);
  return true;
}

// Joins regions that meet within [start, end], both closed.
void AddressSpace::MergeAround(std::uint64_t start, std::uint64_t end) {
  for (std::uint64_t at = start == 0 ? 0 : start - 1;;) {
    Region* high = nullptr;
    Fcm* fcm = nullptr;
    {
      const SpinGuard guard(lock_, kRegion);
      Region* low = FirstAboveLocked(at);
      if (low == nullptr || low->start >= end) {
        return;
      }
      high = regions_.Next(low);
      if (high == nullptr || high->start > end || high->start >= closed_end_) {
        return;
      }
      if (!TryMergeLocked(low, high)) {
        at = high->start;
        continue;
      }
      fcm = low->fcm;
      at = low->start;
    }
    Delete(high);
    fcm->DropReference();
  }
}

}  // namespace k42::mem
