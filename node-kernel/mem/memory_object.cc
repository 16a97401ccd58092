#include "mem/memory_object.h"

#include "cobj/make.h"

namespace k42::mem {

Result<cobj::Ref<IMemoryObject>> MakeMemoryObject(FcmFile* file) {
  return cobj::MakeShared<MemoryObject>(file);
}

Status MemoryObject::HandleAdded() {
  return handles_.Add();
}

Status MemoryObject::HandleDropped() {
  if (handles_.Drop()) {
    return cobj::Destroy(self_);
  }
  return Status::kOk;
}

Result<Fcm*> MemoryObject::TakeFcm() {
  file_->AddReference();
  return static_cast<Fcm*>(file_);
}

}  // namespace k42::mem
