// FcmPinned (K42: FRKernelPinned): a few adjacent pages that the kernel shares with user space:
// the time page, trace buffers, the bulk of protected calls. Always present; the kernel reaches
// them by its own alias, which no user action can take away.
//
// Its pages never leave page tables but with a region, which is stopped then. So nobody asks which
// regions show it, and a page is mapped without the lock.
#pragma once

#include "mem/fcm_regions.h"

namespace k42::mem {

class MemoryServices;

class FcmPinned final : public FcmRegions<LockRank::kFileCache> {
 public:
  // `pages` zeroed pages (at most 512).
  static Result<FcmPinned*> Create(MemoryServices& services, std::uint32_t pages);
  FcmPinned(MemoryServices& services, Frame* first, std::uint32_t pages)
      : services_(services), first_(first), pages_(pages) {}
  ~FcmPinned() = default;

  // It stays for ever (mem/fcm.h). While only the creator knows it.
  void MakePermanent() { BePermanent(); }

  // The kernel's alias; valid while a reference is held.
  template <typename T = void>
  T* data() const {
    return FrameAllocator::Data<T>(first_);
  }
  machine::PhysAddr address() const { return first_->address; }  // the pages adjoin
  std::uint64_t size() const { return std::uint64_t{pages_} * kPageSize; }

  Status Attach(Region*) override { return Status::kOk; }
  Status Split(Region* low, Region* high, std::uint64_t at) override {
    Cut(low, high, at);
    return Status::kOk;
  }
  void Merge(Region* low, Region* high) override { low->end = high->end; }
  void Abandon(Region*) override {}
  Status MapPage(const FaultRequest& request, TlbGather& gather) override;
  Status WithPage(const FaultRequest& request, PageUser use, TlbGather& gather) override;
  void Forget(Region*, std::uint64_t, std::uint64_t) override {}
  FcmIdentity identity() const override { return {this, 0, 0}; }

 private:
  void Destroy() override;
  // The page that the request names, or null beyond the end.
  Frame* PageOf(const FaultRequest& request) const;

  MemoryServices& services_;
  Frame* const first_;
  const std::uint32_t pages_;
};

}  // namespace k42::mem
