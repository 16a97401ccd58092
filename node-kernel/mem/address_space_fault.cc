// AddressSpace: the fault path, and copies from and to an address space that need not be loaded.
//
// One fault, top to bottom: HandleFault finds the region and enters it; the region's Fcm finds or
// makes the page (FcmPrivate::MapPage, FcmFile::MapPage) and puts it into the page table (Hat::Map)
// under its own lock; HandleFault leaves the region and finishes what other CPUs must hear.
#include <cstring>

#include "mem/address_space.h"
#include "mem/services.h"
#include "mem/sync_waiter.h"

namespace k42::mem {

using machine::SpinGuard;

namespace {

constexpr machine::HoldReason kSought{
    400, "a region is looked for among all, a level of their tree at a time, and entered"};

}  // namespace

Status AddressSpace::EnterRegion(std::uint64_t address, Access access, FaultWaiter* waiter,
                                 Region*& region) {
  const SpinGuard guard(lock_, kSought);
  ++faults_;
  if (OverlapsClosedLocked(address)) [[unlikely]] {
    if (waiter == nullptr) {
      return Status::kWouldBlock;
    }
    waiters_.PushBack(waiter);
    return Status::kPending;
  }
  region = FindLocked(address);
  if (region == nullptr) {
    return Status::kBadAddress;
  }
  if (!Permits(region->protection, access)) {
    return Status::kPermissionDenied;
  }
  region->requests.Enter();
  return Status::kOk;
}

// Of those that have an opinion, or a node that has.
bool AddressSpace::AllowsLarge(const Region& region, std::uint64_t address) const {
  const LargePolicy policy = services_.large_policy.load(std::memory_order_relaxed);
  const bool wanted = region.large == LargePages::kWanted ||
                      (region.large == LargePages::kAsNode && !region.personality);
  if (region.large != LargePages::kPromised &&
      (!wanted || policy == LargePolicy::kNever || refuses_large_pages())) {
    return false;
  }
  const std::uint64_t base = AlignDown(address, kLargePageSize);
  return base >= region.start && region.end - base >= kLargePageSize;
}

// Most faults are to find out quickly that they need not ask.
inline bool AddressSpace::MayUseLarge(const Region& region, std::uint64_t address) const {
  if (region.large == LargePages::kAsNode &&
      services_.large_policy.load(std::memory_order_relaxed) != LargePolicy::kAlways) [[likely]] {
    return false;
  }
  return AllowsLarge(region, address);
}

Status AddressSpace::HandleFault(std::uint64_t address, Access access, FaultWaiter* waiter) {
  for (;;) {
    Region* region = nullptr;
    Status status = EnterRegion(address, access, waiter, region);
    if (!IsOk(status)) {
      return status;
    }
    TlbGather gather(services_.frames);
    const FaultRequest request{region, PageFloor(address), access, waiter,
                               MayUseLarge(*region, address)};
    status = region->fcm->MapPage(request, gather);
    while (gather.HoldsBack() && IsOk(status)) {
      gather.Finish();
      status = region->fcm->MapPage(request, gather);
    }
    region->requests.Leave();
    gather.Finish();
    if (status == Status::kPending) {
      CountWait();
    }
    if (status != Status::kNoMemory || services_.page_manager.Reclaim() == 0) {
      return status;
    }
  }
}

void AddressSpace::CountWait() {
  const SpinGuard guard(lock_);
  ++faults_waited_;
}

Status AddressSpace::ResolveFault(std::uint64_t address, Access access) {
  for (;;) {
    SyncWaiter waiter;
    const Status status = HandleFault(address, access, &waiter);
    if (status != Status::kPending) {
      return status;
    }
    TRY(waiter.Wait());
  }
}

Result<std::uint64_t> AddressSpace::CopyPages(std::uint64_t address, std::uint64_t size,
                                              Access access, PartCopier copy) {
  std::uint64_t done = 0;
  Status status = Status::kOk;
  while (done < size && IsOk(status)) {
    const std::uint64_t at = address + done;
    const std::uint64_t rest = kPageSize - at % kPageSize;
    const std::uint64_t count = size - done < rest ? size - done : rest;
    SyncWaiter waiter;
    Region* region = nullptr;
    status = EnterRegion(at, access, &waiter, region);
    if (IsOk(status)) {
      TlbGather gather(services_.frames);
      status = region->fcm->WithPage(
          {region, PageFloor(at), access, &waiter, MayUseLarge(*region, at)},
          [&](unsigned char* page) { copy(page + at % kPageSize, done, count); }, gather);
      // A CPU that has another page there still must see it.
      if (access == Access::kWrite) {
        hat_.JoinUnfinished(PageFloor(at), PageFloor(at) + kPageSize, gather);
      }
      region->requests.Leave();
      gather.Finish();
      if (IsOk(status)) {
        done += count;
        continue;
      }
    }
    if (status == Status::kPending) {
      status = waiter.Wait();
    } else if (status == Status::kNoMemory && services_.page_manager.Reclaim() != 0) {
      status = Status::kOk;
    }
  }
  if (done != 0 || size == 0) {
    return done;
  }
  return status == Status::kNoMemory ? status : Status::kBadAddress;
}

Result<std::uint64_t> AddressSpace::CopyFromSpace(void* to, std::uint64_t from,
                                                  std::uint64_t size) {
  return CopyPages(from, size, Access::kRead,
                   [&](const unsigned char* bytes, std::uint64_t done, std::uint64_t count) {
                     std::memcpy(static_cast<unsigned char*>(to) + done, bytes, count);
                   });
}

Result<std::uint64_t> AddressSpace::CopyToSpace(std::uint64_t to, const void* from,
                                                std::uint64_t size) {
  return CopyPages(to, size, Access::kWrite,
                   [&](unsigned char* bytes, std::uint64_t done, std::uint64_t count) {
                     std::memcpy(bytes, static_cast<const unsigned char*>(from) + done, count);
                   });
}

}  // namespace k42::mem
