#include "mem/memory_object.h"

#include "cobj/make.h"

namespace k42::mem {

Result<cobj::Ref<IMemoryObject>> MakeMemoryObject(FcmFile* file) {
  return cobj::MakeShared<MemoryObject>(file);
}

Status MemoryObject::HandleAdded() {
  handles_.fetch_add(1, std::memory_order_relaxed);
  return Status::kOk;
}

Status MemoryObject::HandleDropped() {
  if (handles_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    return cobj::Destroy(self_);
  }
  return Status::kOk;
}

Result<Fcm*> MemoryObject::TakeFcm() {
  file_->AddReference();
  return static_cast<Fcm*>(file_);
}

}  // namespace k42::mem
