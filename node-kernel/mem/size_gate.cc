#include "mem/size_gate.h"

#include "mem/sync_waiter.h"

namespace k42::mem {

namespace {
constexpr std::int32_t kOneAlone = -1;
constexpr machine::HoldReason kLetIn{1000, "those who may go in now leave the queue"};
}  // namespace

struct SizeGate::Waiter : SyncWaiter {
  explicit Waiter(Kind wanted) : kind(wanted) {}
  const Kind kind;
};

bool SizeGate::EnterLocked(Kind kind) {
  if (inside_ == kOneAlone || (kind == Kind::kAlone && inside_ != 0)) {
    return false;
  }
  inside_ = kind == Kind::kAlone ? kOneAlone : inside_ + 1;
  return true;
}

bool SizeGate::TryEnter(Kind kind) {
  const machine::SpinGuard guard(lock_);
  return waiters_.empty() && EnterLocked(kind);
}

void SizeGate::Enter(Kind kind) {
  Waiter waiter(kind);
  {
    const machine::SpinGuard guard(lock_);
    if (waiters_.empty() && EnterLocked(kind)) {
      return;
    }
    waiters_.PushBack(&waiter);
  }
  [[maybe_unused]] const Status entered = waiter.Wait();  // whoever left has let us in
}

void SizeGate::Leave() {
  FaultWaiters next;
  {
    const machine::SpinGuard guard(lock_, kLetIn);
    inside_ = inside_ == kOneAlone ? 0 : inside_ - 1;
    while (FaultWaiter* waiter = waiters_.Front()) {
      if (!EnterLocked(static_cast<Waiter*>(waiter)->kind)) {
        break;
      }
      FaultWaiters::Remove(waiter);
      next.PushBack(waiter);
    }
  }
  NotifyAll(next, Status::kOk);
}

}  // namespace k42::mem
