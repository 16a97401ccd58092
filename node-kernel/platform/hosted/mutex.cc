#include "machine/mutex.h"

namespace k42::machine {

void MutexBase::Acquire(LockRank rank) {
  LockNote::Wanted(this, rank, LockKind::kBlocking);
  Waiter waiter{Thread::Current(), {}};
  {
    const std::lock_guard guard(queue_lock_);
    if (!held_) {
      held_ = true;
      waiter.granted.store(true, std::memory_order_relaxed);
    } else {
      waiters_.push_back(&waiter);
    }
  }
  while (!waiter.granted.load(std::memory_order_acquire)) Thread::Block();
  LockNote::Acquired(this, rank, LockKind::kBlocking);
}

bool MutexBase::TryAcquire(LockRank rank) {
  const std::lock_guard guard(queue_lock_);
  if (held_)
    return false;
  held_ = true;
  LockNote::Acquired(this, rank, LockKind::kBlocking);
  return true;
}

void MutexBase::Release(LockRank rank) {
  LockNote::Released(this, rank, LockKind::kBlocking);
  Thread* next = nullptr;
  {
    const std::lock_guard guard(queue_lock_);
    if (waiters_.empty()) {
      held_ = false;
      return;
    }
    Waiter* waiter = waiters_.front();
    waiters_.pop_front();
    next = waiter->thread;
    // After this store the waiter's record may be gone; its thread waits for us or has the token.
    waiter->granted.store(true, std::memory_order_release);
    next->Unblock();
  }
}

}  // namespace k42::machine
