// FileSlots: the interface of fs/file_slots.idl over the slots of one process: opens files as the
// name space does, and gives those that allow it to a slot.
//
// Whoever holds the handle may use the slots: a process, by what it maps. A forked child gets the
// handle, too, and neither maps nor uses it.
#pragma once

#include "cobj/handle_count.h"
#include "cobj/make.h"
#include "fs/file_slots.idl.h"
#include "fs/name_space.idl.h"
#include "fs/slot_memory.h"

namespace k42::fs {

class FileSlots final : public IFileSlots {
 public:
  using Interface = IFileSlots;
  FileSlots(cobj::Ref<INameSpace> names, RefPtr<SlotMemory> memory)
      : names_(names), memory_(std::move(memory)) {}

  void SetSelf(cobj::Ref<IFileSlots> self) { self_ = self; }
  Status HandleAdded() override { return handles_.Add(); }
  Status HandleDropped() override { return handles_.Drop() ? cobj::Destroy(self_) : Status::kOk; }
  Result<cobj::Granted<IOpenFile>> Open(const cobj::CallContext& caller,
                                        cobj::Ref<IOpenFile> directory, BufferIn path,
                                        std::uint64_t how, std::uint32_t slot) override;
  Status Use(const cobj::CallContext& caller, cobj::ObjectRef file, std::uint32_t slot,
             std::uint32_t transfers) override;
  Result<cobj::Granted<mem::IMemoryObject>> Memory(const cobj::CallContext& caller) override;
  Result<cobj::Granted<mem::IMemoryObject>> Windows(const cobj::CallContext& caller) override;

 private:
  const cobj::Ref<INameSpace> names_;
  const RefPtr<SlotMemory> memory_;
  cobj::Ref<IFileSlots> self_;
  cobj::HandleCount handles_;
};

}  // namespace k42::fs
