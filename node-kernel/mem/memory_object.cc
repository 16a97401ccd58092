#include "mem/memory_object.h"

#include "cobj/make.h"
#include "cobj/may_block.h"

namespace k42::mem {

Result<cobj::Ref<IMemoryObject>> MakeMemoryObject(FcmFile* file) {
  return cobj::MakeShared<MemoryObject>(file);
}
Result<cobj::Ref<IMemoryObject>> MakeMemoryObject(Fcm* fcm, std::uint64_t size) {
  return cobj::MakeShared<FixedMemory>(fcm, size);
}

Status CountedMemory::HandleAdded() {
  return handles_.Add();
}

Status CountedMemory::HandleDropped() {
  if (handles_.Drop()) {
    return cobj::Destroy(self_);
  }
  return Status::kOk;
}

Status MemoryObject::Resize(std::uint64_t size) {
  const Status at_once = file_->Resize(size, Waiting::kNo);
  if (at_once != Status::kWouldBlock) {
    return at_once;
  }
  TRY(cobj::MayBlock());
  return file_->Resize(size, Waiting::kYes);
}

Result<Fcm*> CountedMemory::TakeFcm() {
  fcm_->AddReference();
  return fcm_;
}

}  // namespace k42::mem
