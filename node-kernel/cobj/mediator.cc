#include "cobj/mediator.h"

#include "cobj/object_system.h"
#include "cobj/slot.h"

namespace k42::cobj {

Result<void*> Mediator::HandleMiss(machine::CpuId cpu, std::uint32_t) {
  PerCpu& here = Here();
  if (here.target == nullptr)
    here.target = TRY(old_.ObjectFor(cpu));
  bool late = false;
  {
    // One decision under the lock: either this CPU is among those that will be told to block, or it
    // is late and waits.
    const machine::SpinGuard guard(lock_);
    if (phase_ == Phase::kOver)
      return Status::kMoved;
    late = phase_ == Phase::kBlock && !TranslationSetLocked().Contains(cpu);
    if (late)
      late_.Add(cpu);
    else
      TRY(AddLocked(cpu));
  }
  if (late) {
    WaitHere(here);
    return Status::kMoved;
  }
  ThisCpuSlot(object_).Fill(forwarder());
  return forwarder();
}

bool Mediator::DeferDestroy() {
  const machine::SpinGuard guard(lock_);
  if (phase_ == Phase::kOver)
    return false;
  destroy_waits_ = true;
  return true;
}

// Not inlined: a compiler that sees the whole takes the waiter's address for one that outlives it.
[[gnu::noinline]] void Mediator::AddWaiter(PerCpu& cpu, Waiter& waiter) {
  waiter.next = cpu.waiters;
  cpu.waiters = &waiter;
}

// Until EndHere. The thread stays active: what it waits for is other calls of this node ending.
void Mediator::WaitHere(PerCpu& cpu) {
  Waiter waiter{machine::Thread::Current(), nullptr, false};
  AddWaiter(cpu, waiter);
  while (!waiter.woken) machine::Thread::Block();
}

Result<void*> Mediator::Enter(ForwardRecord& record) {
  PerCpu& cpu = Here();
  if (cpu.calls.phase() == Phase::kBlock && !ThreadIsInside())
    WaitHere(cpu);
  if (cpu.calls.phase() == Phase::kOver) {
    record.counted = false;
    return machine::LoadSlot(object_);
  }
  cpu.calls.Enter();
  return cpu.target;
}

void Mediator::Leave(const ForwardRecord&) {
  switch (Here().calls.Leave()) {
    case CallCount::Left::kNothing:
      return;
    case CallCount::Left::kReport:
      return blocking_.Report();
    case CallCount::Left::kRelease:
      return Release();
  }
}

CpuSet Mediator::StartBlocking() {
  const machine::SpinGuard guard(lock_);
  phase_ = Phase::kBlock;
  return TranslationSetLocked();
}

bool Mediator::BlockHere() {
  return Here().calls.Block();
}

Mediator::Ending Mediator::End() {
  const machine::SpinGuard guard(lock_);
  phase_ = Phase::kOver;
  state_ = State::kSuperseded;
  return {TranslationSetLocked() | late_, destroy_waits_};
}

void Mediator::EndHere() {
  PerCpu& cpu = Here();
  ThisCpuSlot(object_).Reset();
  if (cpu.calls.End())
    holds_.Add();
  while (Waiter* waiter = cpu.waiters) {
    cpu.waiters = waiter->next;
    waiter->woken = true;
    waiter->thread->Unblock();
  }
}

void Mediator::Release() {
  if (holds_.Down())
    node_objects->Retire(*this);
}

}  // namespace k42::cobj
