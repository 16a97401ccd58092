#include "machine/mutex.h"

#include "base/assert.h"
#include "machine/stepped_range.h"

namespace k42::machine {

void MutexBase::AcquireSlow() {
  K42_ASSERT(!IsHeldByCurrent(), "a mutex is not recursive");
  Waiter waiter{nullptr, WaitEnd<Thread>(Thread::Current())};
  {
    const SteppedRange stepped;
    SpinGuard guard(queue_lock_);
    if (!word_.Announce(Self())) {
      return;
    }
    (first_ == nullptr ? first_ : last_->next) = &waiter;
    last_ = &waiter;
  }
  while (!waiter.wait.ended()) {
    Thread::Block();
  }
}

void MutexBase::ReleaseSlow() {
  K42_ASSERT(IsHeldByCurrent(), "only the holder releases a mutex");
  Waiter* waiter;
  {
    const SteppedRange stepped;
    SpinGuard guard(queue_lock_);
    waiter = first_;  // there is one: the word said so
    first_ = waiter->next;
    word_.HandOver(reinterpret_cast<MutexWord::Holder>(waiter->wait.waiter()), first_ != nullptr);
  }
  waiter->wait.End()->Unblock();  // from here on the mutex is the new holder's, who may destroy it
}

}  // namespace k42::machine
