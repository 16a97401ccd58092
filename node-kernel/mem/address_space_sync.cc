// AddressSpace: what was changed through shared mappings goes to where the files are.
#include "base/checked.h"
#include "cobj/may_block.h"
#include "mem/address_space_closure.h"
#include "mem/fcm_file.h"

namespace k42::mem {

using machine::SpinGuard;

// A file of which several regions are in the range is looked at for each: there is nothing left to
// write then. Asking to be called again, as below a call of user space, loses nothing either.
Status AddressSpace::Sync(std::uint64_t address, std::uint64_t size) {
  const std::uint64_t end = TRY(CheckedAdd(address, size));
  Status status = Status::kOk;
  for (std::uint64_t at = address; at < end;) {
    FcmFile* file = nullptr;
    {
      const SpinGuard guard(lock_, kRegion);
      const Region* region = FirstAboveLocked(at);
      if (region == nullptr || region->start > at) {
        status = IsOk(status) ? Status::kNotFound : status;
      }
      if (region == nullptr || region->start >= end) {
        break;
      }
      file = region->shared ? region->fcm->AsFile() : nullptr;
      if (file != nullptr) {
        file->AddReference();
      }
      at = region->end;
    }
    if (file == nullptr) {
      continue;
    }
    const Status synced = file->is_memory_only() ? Status::kOk : cobj::MayBlock();
    const Status written = IsOk(synced) ? file->Sync() : synced;
    file->DropReference();
    if (written == Status::kWouldBlock) {
      return written;
    }
    status = IsOk(status) ? written : status;
  }
  return status;
}

}  // namespace k42::mem
