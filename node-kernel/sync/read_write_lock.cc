#include "sync/read_write_lock.h"

#include "base/assert.h"

namespace k42::sync {

bool ReadWriteQueue::MayEnterLocked(bool write) const {
  return !writer_ && (!write || readers_ == 0);
}

void ReadWriteQueue::EnterLocked(bool write) {
  if (write)
    writer_ = true;
  else
    ++readers_;
}

bool ReadWriteQueue::TryAcquire(bool write) {
  const machine::SpinGuard guard(lock_);
  if (first_ != nullptr || !MayEnterLocked(write))
    return false;
  EnterLocked(write);
  return true;
}

ReadWriteQueue::Waiter* ReadWriteQueue::AdmitLocked() {
  Waiter* next = first_;
  if (next == nullptr || !MayEnterLocked(next->write))
    return nullptr;
  first_ = next->next;
  EnterLocked(next->write);
  return next;
}

void ReadWriteQueue::Wake(Waiter* waiter) {
  if (waiter != nullptr)
    waiter->wait.End()->Unblock();
}

void ReadWriteQueue::Acquire(bool write, Waits waits) {
  Waiter waiter{nullptr, write, WaitEnd<machine::Thread>(machine::Thread::Current())};
  {
    const machine::SpinGuard guard(lock_);
    if (first_ == nullptr && MayEnterLocked(write)) {
      EnterLocked(write);
      return;
    }
    (first_ == nullptr ? first_ : last_->next) = &waiter;
    last_ = &waiter;
  }
  while (!waiter.wait.ended()) {
    if (waits == Waits::kExternally)
      machine::Thread::BlockExternal();
    else
      machine::Thread::Block();
  }
  if (write)
    return;
  Waiter* next = nullptr;
  {
    const machine::SpinGuard guard(lock_);
    next = AdmitLocked();
  }
  Wake(next);
}

void ReadWriteQueue::Release(bool write) {
  Waiter* next = nullptr;
  {
    const machine::SpinGuard guard(lock_);
    K42_ASSERT(write ? writer_ : readers_ != 0, "only who holds a side releases it");
    if (write)
      writer_ = false;
    else
      --readers_;
    next = AdmitLocked();
  }
  Wake(next);
}

}  // namespace k42::sync
