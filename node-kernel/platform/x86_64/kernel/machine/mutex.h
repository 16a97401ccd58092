// Mutex<rank>: the fair blocking lock: first come, first served. Others: sync/README.md.
//
// Built on Thread::Block and Unblock. Release hands the lock to the longest waiter, so nobody
// starves. Thread context only. Not recursive. Debug kernels check
// rank and owner.
//
// The word and its protocol: base/mutex_word.h. Waiters stand in a list of records on their own
// stacks, guarded by queue_lock_.
#pragma once

#include <cstdint>

#include "base/lock_rank.h"
#include "base/mutex_word.h"
#include "base/thread_annotations.h"
#include "base/wait_end.h"
#include "machine/lock_checks.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"

namespace k42::machine {

class MutexBase {
 public:
  constexpr MutexBase() = default;
  MutexBase(const MutexBase&) = delete;
  MutexBase& operator=(const MutexBase&) = delete;

  bool IsHeldByCurrent() const { return word_.IsHeldBy(Self()); }

 protected:
  void Acquire() {
    if (!word_.TryAcquire(Self())) [[unlikely]] {
      AcquireSlow();
    }
  }
  bool TryAcquire() { return word_.TryAcquire(Self()); }
  void Release() {
    if (!word_.TryRelease(Self())) [[unlikely]] {
      ReleaseSlow();
    }
  }

 private:
  struct Waiter {
    Waiter* next;
    WaitEnd<Thread> wait;
  };
  static MutexWord::Holder Self() { return reinterpret_cast<MutexWord::Holder>(Thread::Current()); }
  void AcquireSlow();
  void ReleaseSlow();

  MutexWord word_;
  SpinLock<LockRank::kMutexQueue> queue_lock_;
  Waiter* first_ K42_GUARDED_BY(queue_lock_) = nullptr;
  Waiter* last_ K42_GUARDED_BY(queue_lock_) = nullptr;
};

template <LockRank rank>
class K42_CAPABILITY("mutex") Mutex : public MutexBase {
 public:
  void Lock() K42_ACQUIRE() {
    LockNote::Wanted(this, rank, LockKind::kBlocking);
    Acquire();
    LockNote::Acquired(this, rank, LockKind::kBlocking);
  }
  bool TryLock() K42_TRY_ACQUIRE(true) {
    const bool taken = TryAcquire();
    if (taken) {
      LockNote::Acquired(this, rank, LockKind::kBlocking);
    }
    return taken;
  }
  void Unlock() K42_RELEASE() {
    LockNote::Released(this, rank, LockKind::kBlocking);
    Release();
  }
};

// MutexGuard guard(lock_);
template <typename Lock>
class K42_SCOPED_CAPABILITY MutexGuard {
 public:
  explicit MutexGuard(Lock& lock) K42_ACQUIRE(lock) : lock_(lock) { lock_.Lock(); }
  ~MutexGuard() K42_RELEASE() { lock_.Unlock(); }
  MutexGuard(const MutexGuard&) = delete;
  MutexGuard& operator=(const MutexGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace k42::machine
