#include "machine/mutex.h"

namespace k42::machine {

void MutexBase::Acquire(LockRank rank) {
  LockNote::Wanted(this, rank, LockKind::kBlocking);
  WaitEnd<Thread> wait(Thread::Current());
  bool taken = false;
  {
    const std::lock_guard guard(queue_lock_);
    taken = !held_;
    held_ = true;
    if (!taken)
      waiters_.push_back(&wait);
  }
  while (!taken && !wait.ended()) Thread::Block();
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
  WaitEnd<Thread>* next = nullptr;
  {
    const std::lock_guard guard(queue_lock_);
    if (waiters_.empty()) {
      held_ = false;
      return;
    }
    next = waiters_.front();
    waiters_.pop_front();
  }
  next->End()->Unblock();  // from here on the mutex is the new holder's, who may destroy it
}

}  // namespace k42::machine
