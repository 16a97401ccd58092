#include "io/attachment.h"

#include <algorithm>

#include "cobj/hold.h"
#include "mem/heap.h"

namespace k42::io {

Result<Attachment*> Attachment::Make() {
  return mem::New<Attachment>();
}

void Attachment::Free(Attachment* attachment) {
  if (attachment != nullptr) {
    attachment->DropHandles(0);
    mem::Delete(attachment);
  }
}

void Attachment::DropHandles(std::uint32_t first) {
  for (std::uint32_t i = first; i < count_; ++i) {
    cobj::Release(objects_[i]);
  }
  count_ = std::min(count_, first);
}

Status Attachment::Hold(const cobj::CallContext& caller, const abi::Handle* handles,
                        std::uint32_t count) {
  if (count > kMaxPassedHandles) {
    return Status::kInvalidArgument;
  }
  if (count != 0 && caller.handles == nullptr) {
    return Status::kBadHandle;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    cobj::ObjectRef object;
    TRY(caller.handles->Resolve(handles[i], &object));
    if ((object.rights & kRightGrant) == 0) {
      return Status::kPermissionDenied;
    }
    TRY(cobj::Hold(object));  // in flight it is held as a handle holds it
    objects_[count_++] = object;
  }
  return Status::kOk;
}

std::uint32_t Attachment::Deliver(const cobj::CallContext& caller, abi::Handle* handles,
                                  std::uint32_t room, bool* cut) {
  std::uint32_t made = 0;
  while (made < std::min(count_, room) && caller.handles != nullptr) {
    const auto handle = caller.handles->Grant(objects_[made]);
    if (!handle.ok()) {
      break;
    }
    handles[made++] = handle.value();
  }
  *cut = made < count_;
  DropHandles(0);
  return made;
}

}  // namespace k42::io
