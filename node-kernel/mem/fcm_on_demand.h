// FcmOnDemand: a few pages that the kernel shares with user space, like FcmPinned, but each is made
// when it is first wanted, by either side: a dispatcher's page and its ticket results. Once there,
// a page stays where it is for as long as the Fcm does.
//
// Locking: none for finding a page: an entry is set once, by whoever is first.
#pragma once

#include <atomic>

#include "mem/fcm_regions.h"

namespace k42::mem {

class MemoryServices;

class FcmOnDemand final : public FcmRegions<LockRank::kFileCache> {
 public:
  static constexpr std::uint32_t kMaxPages = 65;

  // `pages` (at most kMaxPages), of which the first is there.
  static Result<FcmOnDemand*> Create(MemoryServices& services, std::uint32_t pages);
  FcmOnDemand(MemoryServices& services, std::uint32_t pages) : services_(services), pages_(pages) {}
  ~FcmOnDemand() = default;

  // Makes the page if it is not there. kNoMemory; kOutOfRange.
  Status Make(std::uint32_t page);
  // The kernel's alias of a page that is there; valid while a reference is held.
  template <typename T = void>
  T* data(std::uint32_t page) const {
    return FrameAllocator::Data<T>(frames_[page].load(std::memory_order_acquire));
  }
  std::uint64_t size() const { return std::uint64_t{pages_} * kPageSize; }

  Status MapPage(const FaultRequest& request, TlbGather& gather) override;
  Status WithPage(const FaultRequest& request, PageUser use, TlbGather& gather) override;
  void Forget(Region*, std::uint64_t, std::uint64_t) override {}
  FcmIdentity identity() const override { return {this, 0, 0}; }

 private:
  void Destroy() override;

  MemoryServices& services_;
  const std::uint32_t pages_;
  std::atomic<Frame*> frames_[kMaxPages] = {};
};

}  // namespace k42::mem
