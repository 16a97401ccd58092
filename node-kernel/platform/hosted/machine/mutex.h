// Mutex<rank>: the fair blocking lock: first come, first served; the kernel's interface over
// Thread::Block.
#pragma once

#include <deque>
#include <mutex>

#include "base/lock_rank.h"
#include "base/thread_annotations.h"
#include "base/wait_end.h"
#include "machine/lock_checks.h"
#include "machine/thread.h"

namespace k42::machine {

class MutexBase {
 public:
  MutexBase() = default;
  MutexBase(const MutexBase&) = delete;
  MutexBase& operator=(const MutexBase&) = delete;

  bool IsHeldByCurrent() const { return detail::IsHeldHere(this); }

 protected:
  void Acquire(LockRank rank);
  bool TryAcquire(LockRank rank);
  void Release(LockRank rank);

 private:
  std::mutex queue_lock_;
  bool held_ = false;
  std::deque<WaitEnd<Thread>*> waiters_;
};

template <LockRank rank>
class K42_CAPABILITY("mutex") Mutex : public MutexBase {
 public:
  void Lock() K42_ACQUIRE() { Acquire(rank); }
  bool TryLock() K42_TRY_ACQUIRE(true) { return TryAcquire(rank); }
  void Unlock() K42_RELEASE() { Release(rank); }
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
