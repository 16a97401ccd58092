// FcmRegions: the part that all Fcms have in common: the lock, and the list of regions that show
// the Fcm. A template because the rank of the lock differs, and how many regions there may be: what
// is done to all of them with the lock held takes as long as there are regions, of which programs
// make as many as they like.
#pragma once

#include "base/result.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"
#include "mem/fcm.h"
#include "mem/hat.h"
#include "mem/region.h"

namespace k42::mem {

inline constexpr machine::HoldReason kPieceOfRegion{12500,
                                                    "64 entries of four of the region's tables"};
inline constexpr machine::HoldReason kOneMapped{
    6500 + kChunkMade, "the page goes into the table, whose pages may be missing"};

inline constexpr std::uint32_t kAnyNumberOfRegions = 0;

template <LockRank rank, std::uint32_t most = kAnyNumberOfRegions>
class FcmRegions : public Fcm {
 public:
  Status Attach(Region* region) override {
    const machine::SpinGuard guard(lock_);
    return AddLocked(region);
  }
  Status Split(Region* low, Region* high, std::uint64_t at) override {
    const machine::SpinGuard guard(lock_);
    TRY(AddLocked(high));
    Cut(low, high, at);
    return Status::kOk;
  }
  void Merge(Region* low, Region* high) override {
    const machine::SpinGuard guard(lock_);
    low->end = high->end;
    RemoveLocked(high);
  }
  void Grow(Region* region, std::uint64_t end) override {
    const machine::SpinGuard guard(lock_);
    region->end = end;
  }
  void SetProtection(Region* region, Protection protection, TlbGather& gather) override {
    {
      const machine::SpinGuard guard(lock_);
      region->protection = protection;
    }
    for (std::uint64_t at = region->start; at < region->end;) {
      {
        const machine::SpinGuard guard(lock_, kPieceOfRegion);
        at = region->hat->RestrictPiece(at, region->end, protection, gather);
      }
      machine::Thread::PreemptionPoint();
    }
  }
  void Hide(Region* region, TlbGather& gather) override {
    for (std::uint64_t at = region->start; at < region->end;) {
      {
        const machine::SpinGuard guard(lock_, kPieceOfRegion);
        at = region->hat->UnmapPiece(region->start, at, region->end, gather);
      }
      machine::Thread::PreemptionPoint();
    }
  }
  void Abandon(Region* region) override {
    const machine::SpinGuard guard(lock_);
    RemoveLocked(region);
  }

 protected:
  FcmRegions() = default;
  ~FcmRegions() = default;
  static void Cut(Region* low, Region* high, std::uint64_t at) {
    high->start = at;
    high->end = low->end;
    high->offset = low->OffsetOf(at);
    low->end = at;
  }

  machine::SpinLock<rank> lock_;
  IntrusiveList<Region> regions_ K42_GUARDED_BY(lock_);

 private:
  Status AddLocked(Region* region) K42_REQUIRES(lock_) {
    if constexpr (most != kAnyNumberOfRegions) {
      if (count_ == most) {
        return Status::kLimitExceeded;
      }
      ++count_;
    }
    regions_.PushBack(region);
    return Status::kOk;
  }
  void RemoveLocked(Region* region) K42_REQUIRES(lock_) {
    if constexpr (most != kAnyNumberOfRegions) {
      --count_;
    }
    regions_.Remove(region);
  }

  std::uint32_t count_ K42_GUARDED_BY(lock_) = 0;  // if limited
};

}  // namespace k42::mem
