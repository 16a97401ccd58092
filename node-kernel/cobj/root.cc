#include "cobj/root.h"

#include "cobj/slot.h"

namespace k42::cobj {

CpuSet Root::translation_set() const {
  const machine::SpinGuard guard(lock_);
  return translation_set_;
}

Status Root::Install(machine::CpuId cpu, void* object) {
  {
    const machine::SpinGuard guard(lock_);
    if (closed_)
      return Status::kDeleted;
    translation_set_.Add(cpu);
  }
  // Whoever closes the root from now on has this CPU in the set, and asks it by message to empty
  // the slot: that is handled after this thread lets go of the CPU, so after this store.
  ThisCpuSlot(bits_).Fill(object);
  return Status::kOk;
}

CpuSet Root::Close() {
  const machine::SpinGuard guard(lock_);
  closed_ = true;
  return translation_set_;
}

void Root::SetTranslationSet(CpuSet set) {
  const machine::SpinGuard guard(lock_);
  translation_set_ = set;
}

}  // namespace k42::cobj
