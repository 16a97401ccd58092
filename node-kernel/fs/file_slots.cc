#include "fs/file_slots.h"

#include "fs/open_file.dispatch.h"
#include "mem/memory_object.h"

namespace k42::fs {
namespace {

// As the call comes by a handle of the file with these rights.
cobj::CallContext With(const cobj::CallContext& caller, std::uint32_t rights) {
  cobj::CallContext by_file = caller;
  by_file.rights = rights;
  return by_file;
}

}  // namespace

Result<cobj::Granted<IOpenFile>> FileSlots::Open(const cobj::CallContext& caller,
                                                 cobj::Ref<IOpenFile> directory, BufferIn path,
                                                 std::uint64_t how, std::uint32_t slot) {
  const auto opened = names_->Open(caller, directory, path, static_cast<std::uint32_t>(how),
                                   static_cast<std::uint32_t>(how >> 32));
  if (opened.ok()) {
    (void)opened.value().ref->UseSlot(With(caller, opened.value().rights), *memory_, slot, 0);
  }
  return opened;
}

Status FileSlots::Use(const cobj::CallContext& caller, cobj::ObjectRef file, std::uint32_t slot,
                      std::uint32_t transfers) {
  if (!file.info->IsA(kOpenFileInfo)) {
    return Status::kBadHandle;
  }
  return cobj::Ref<IOpenFile>::FromBits(file.ref)->UseSlot(With(caller, file.rights), *memory_,
                                                           slot, transfers);
}

Result<cobj::Granted<mem::IMemoryObject>> FileSlots::Memory(const cobj::CallContext&) {
  return cobj::Granted<mem::IMemoryObject>(TRY(mem::MakeMemoryObject(&memory_->pages())),
                                           kRightRead | kRightWrite | kRightMap);
}

// Each window may be written as its file may.
Result<cobj::Granted<mem::IMemoryObject>> FileSlots::Windows(const cobj::CallContext&) {
  return cobj::Granted<mem::IMemoryObject>(
      TRY(mem::MakeMemoryObject(&memory_->windows(), abi::FileWindows::kBytes)),
      kRightRead | kRightWrite | kRightMap);
}

}  // namespace k42::fs
