#include "cobj/root.h"

#include "cobj/slot.h"

namespace k42::cobj {

CpuSet Root::translation_set() const {
  const machine::SpinGuard guard(lock_);
  return translation_set_;
}

Result<void*> Root::HandleMiss(machine::CpuId cpu, std::uint32_t) {
  void* object = TRY(ObjectFor(cpu));
  TRY(Install(cpu, object));
  return object;
}

Status Root::AddLocked(machine::CpuId cpu) {
  if (state_ != State::kOpen)
    return state_ == State::kClosed ? Status::kDeleted : Status::kMoved;
  translation_set_.Add(cpu);
  return Status::kOk;
}

Status Root::Install(machine::CpuId cpu, void* object) {
  {
    const machine::SpinGuard guard(lock_);
    TRY(AddLocked(cpu));
  }
  // Whoever closes the root from now on has this CPU in the set, and asks it by message to empty
  // the slot: that is handled after this thread lets go of the CPU, so after this store.
  ThisCpuSlot(bits_).Fill(object);
  return Status::kOk;
}

CpuSet Root::Close() {
  const machine::SpinGuard guard(lock_);
  state_ = State::kClosed;
  return translation_set_;
}

CpuSet Root::Supersede() {
  const machine::SpinGuard guard(lock_);
  state_ = State::kSuperseded;
  holders_ = holders_ | translation_set_;
  return holders_;
}

void Root::SetHolders(CpuSet cpus) {
  const machine::SpinGuard guard(lock_);
  holders_ = cpus;
}

void Root::Reopen() {
  const machine::SpinGuard guard(lock_);
  state_ = State::kOpen;
}

// Not inlined, and nothing after the last use of the root's code but the count: who sees zero may
// take the code away.
[[gnu::noinline]] void DisposeOf(Root* root, Allocator& allocator) {
  CodeUse* code = root->code();
  root->Dispose(allocator);
  if (code != nullptr)
    code->Drop();
}

}  // namespace k42::cobj
