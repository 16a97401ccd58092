#include "machine/mutex.h"

#include "base/assert.h"

namespace k42::machine {

void MutexBase::AcquireSlow() {
  K42_ASSERT(!IsHeldByCurrent(), "a mutex is not recursive");
  Waiter waiter{Thread::Current(), nullptr, false};
  {
    SpinGuard guard(queue_lock_);
    std::uintptr_t word = word_.load(std::memory_order_relaxed);
    do {
      if (word == 0) {
        if (word_.compare_exchange_weak(word, Self(), std::memory_order_acquire)) {
          return;
        }
      } else if ((word & kWaiters) != 0 ||
                 word_.compare_exchange_weak(word, word | kWaiters, std::memory_order_relaxed)) {
        break;
      }
    } while (true);
    (first_ == nullptr ? first_ : last_->next) = &waiter;
    last_ = &waiter;
  }
  while (!waiter.granted.load(std::memory_order_acquire)) {
    Thread::Block();
  }
}

void MutexBase::ReleaseSlow() {
  K42_ASSERT(IsHeldByCurrent(), "only the holder releases a mutex");
  Thread* next;
  {
    SpinGuard guard(queue_lock_);
    Waiter* waiter = first_;  // there is one: the bit is set under this lock, with its waiter
    first_ = waiter->next;
    next = waiter->thread;
    const auto owner = reinterpret_cast<std::uintptr_t>(next);
    word_.store(first_ != nullptr ? owner | kWaiters : owner, std::memory_order_relaxed);
    waiter->granted.store(true, std::memory_order_release);  // the record may vanish from here on
  }
  next->Unblock();
}

}  // namespace k42::machine
