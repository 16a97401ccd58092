#include "mem/fcm_pinned.h"

#include "machine/page_table.h"
#include "mem/heap.h"
#include "mem/services.h"

namespace k42::mem {

Result<FcmPinned*> FcmPinned::Create(MemoryServices& services, std::uint32_t pages) {
  Frame* first = TRY(services.frames.AllocateRun(pages, FramePurpose::kKernel));
  for (std::uint32_t i = 0; i < pages; ++i) {
    machine::ClearPage(FrameAllocator::Data(&first[i]));
  }
  const Result<FcmPinned*> fcm = New<FcmPinned>(services, first, pages);
  if (!fcm.ok()) {
    services.frames.FreeRun(first, pages);
  }
  return fcm;
}

void FcmPinned::Destroy() {
  services_.frames.FreeRun(first_, pages_);
  Delete(this);
}

Frame* FcmPinned::PageOf(const FaultRequest& request) const {
  const std::uint64_t page = PageIndex(request.region->OffsetOf(request.address));
  return page < pages_ ? &first_[page] : nullptr;
}

Status FcmPinned::MapPage(const FaultRequest& request, TlbGather& gather) {
  Frame* frame = PageOf(request);
  if (frame == nullptr) {
    return Status::kOutOfRange;
  }
  return request.region->hat->Map(request.address, frame->address, request.region->protection,
                                  gather);
}

Status FcmPinned::WithPage(const FaultRequest& request, PageUser use, TlbGather&) {
  Frame* frame = PageOf(request);
  if (frame == nullptr) {
    return Status::kOutOfRange;
  }
  use(FrameAllocator::Data<unsigned char>(frame));
  return Status::kOk;
}

}  // namespace k42::mem
