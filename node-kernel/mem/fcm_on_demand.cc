#include "mem/fcm_on_demand.h"

#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

using machine::SpinGuard;

Result<FcmOnDemand*> FcmOnDemand::Create(MemoryServices& services, std::uint32_t pages) {
  FcmOnDemand* fcm = TRY(New<FcmOnDemand>(services, pages));
  const Status status = pages <= kMaxPages ? fcm->Make(0) : Status::kOutOfRange;
  if (!IsOk(status)) {
    Delete(fcm);
    return status;
  }
  return fcm;
}

void FcmOnDemand::Destroy() {
  for (const std::atomic<Frame*>& frame : frames_) {
    if (Frame* there = frame.load(std::memory_order_relaxed)) {
      services_.frames.DropReference(there);
    }
  }
  Delete(this);
}

Status FcmOnDemand::Make(std::uint32_t page) {
  if (page >= pages_) {
    return Status::kOutOfRange;
  }
  if (frames_[page].load(std::memory_order_acquire) != nullptr) {
    return Status::kOk;
  }
  Frame* fresh = TRY(services_.frames.AllocateZeroed(FramePurpose::kKernel));
  Frame* none = nullptr;
  if (!frames_[page].compare_exchange_strong(none, fresh, std::memory_order_acq_rel)) {
    services_.frames.DropReference(fresh);
  }
  return Status::kOk;
}

Status FcmOnDemand::MapPage(const FaultRequest& request, TlbGather& gather) {
  const Region& region = *request.region;
  const auto page = static_cast<std::uint32_t>(PageIndex(region.OffsetOf(request.address)));
  TRY(Make(page));
  const machine::PhysAddr address = frames_[page].load(std::memory_order_acquire)->address;
  const SpinGuard guard(lock_, kOneMapped);
  return region.hat->Map(request.address, address, region.protection, gather);
}

Status FcmOnDemand::WithPage(const FaultRequest& request, PageUser use, TlbGather&) {
  const auto page =
      static_cast<std::uint32_t>(PageIndex(request.region->OffsetOf(request.address)));
  TRY(Make(page));
  use(data<unsigned char>(page));
  return Status::kOk;
}

}  // namespace k42::mem
