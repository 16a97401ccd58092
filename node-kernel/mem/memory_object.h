// The clustered object that stands for a page cache where processes hold handles to it. It lives as
// long as handles do; mappings hold the FcmFile itself.
#pragma once

#include "cobj/handle_count.h"
#include "mem/fcm_file.h"
#include "mem/memory_object.idl.h"

namespace k42::mem {

// An object for `file`, of which it takes a reference of its own. Destroys itself with its last
// handle.
Result<cobj::Ref<IMemoryObject>> MakeMemoryObject(FcmFile* file);

class MemoryObject final : public IMemoryObject {
 public:
  using Interface = IMemoryObject;
  explicit MemoryObject(FcmFile* file) : file_(file) { file_->AddReference(); }
  ~MemoryObject() { file_->DropReference(); }

  void SetSelf(cobj::Ref<IMemoryObject> self) { self_ = self; }
  Status HandleAdded() override;
  Status HandleDropped() override;
  Result<std::uint64_t> GetSize() override { return file_->size(); }
  Status Resize(std::uint64_t size) override;
  Result<Fcm*> TakeFcm() override;

 private:
  FcmFile* const file_;
  cobj::Ref<IMemoryObject> self_;
  cobj::HandleCount handles_;
};

}  // namespace k42::mem
