// Mutex<rank>: the fair blocking lock: first come, first served. Others: sync/README.md.
//
// Built on Thread::Block and Unblock. Release hands the lock to the longest waiter, so nobody
// starves. Thread context only. Not recursive. Debug kernels check
// rank and owner.
//
// The word is the owner's address, bit 0 set when somebody waits; 0 is free. Waiters stand in a
// list of records on their own stacks, guarded by queue_lock_; the word leaves the "somebody waits"
// state only under that lock.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/lock_rank.h"
#include "base/thread_annotations.h"
#include "machine/lock_checks.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"

namespace k42::machine {

class MutexBase {
 public:
  constexpr MutexBase() = default;
  MutexBase(const MutexBase&) = delete;
  MutexBase& operator=(const MutexBase&) = delete;

  bool IsHeldByCurrent() const {
    return (word_.load(std::memory_order_relaxed) & ~kWaiters) == Self();
  }

 protected:
  void Acquire() {
    std::uintptr_t expected = 0;
    if (!word_.compare_exchange_strong(expected, Self(), std::memory_order_acquire)) [[unlikely]] {
      AcquireSlow();
    }
  }
  bool TryAcquire() {
    std::uintptr_t expected = 0;
    return word_.compare_exchange_strong(expected, Self(), std::memory_order_acquire);
  }
  void Release() {
    std::uintptr_t expected = Self();
    if (!word_.compare_exchange_strong(expected, 0, std::memory_order_release)) [[unlikely]] {
      ReleaseSlow();
    }
  }

 private:
  struct Waiter {
    Thread* thread;
    Waiter* next;
    std::atomic<bool> granted;
  };
  static constexpr std::uintptr_t kWaiters = 1;
  static std::uintptr_t Self() { return reinterpret_cast<std::uintptr_t>(Thread::Current()); }
  void AcquireSlow();
  void ReleaseSlow();

  std::atomic<std::uintptr_t> word_{0};
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
