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

// The same for memory that is no page cache and stays `size` bytes.
Result<cobj::Ref<IMemoryObject>> MakeMemoryObject(Fcm* fcm, std::uint64_t size);

class CountedMemory : public IMemoryObject {
 public:
  using Interface = IMemoryObject;
  void SetSelf(cobj::Ref<IMemoryObject> self) { self_ = self; }
  Status HandleAdded() override;
  Status HandleDropped() override;
  Result<Fcm*> TakeFcm() override;

 protected:
  explicit CountedMemory(Fcm* fcm) : fcm_(fcm) { fcm_->AddReference(); }
  ~CountedMemory() { fcm_->DropReference(); }

 private:
  Fcm* const fcm_;
  cobj::Ref<IMemoryObject> self_;
  cobj::HandleCount handles_;
};

class MemoryObject final : public CountedMemory {
 public:
  explicit MemoryObject(FcmFile* file) : CountedMemory(file), file_(file) {}
  Result<std::uint64_t> GetSize() override { return file_->size(); }
  Status Resize(std::uint64_t size) override;

 private:
  FcmFile* const file_;
};

class FixedMemory final : public CountedMemory {
 public:
  FixedMemory(Fcm* fcm, std::uint64_t size) : CountedMemory(fcm), size_(size) {}
  Result<std::uint64_t> GetSize() override { return size_; }
  Status Resize(std::uint64_t) override { return Status::kNotSupported; }

 private:
  const std::uint64_t size_;
};

}  // namespace k42::mem
