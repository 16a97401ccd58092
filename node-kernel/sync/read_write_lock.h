// ReadWriteLock<rank>: many readers, or one writer. Blocking; first come, first served: a reader
// that comes after a waiting writer waits too, so neither side starves. A release hands the lock on
// to the first waiter; a reader that was let in lets the next one in, if that is a reader too: so
// no release has more than one thread to wake.
//
//   const ReadGuard guard(lock_);             reads what is K42_GUARDED_BY(lock_)
//   const machine::MutexGuard guard(lock_);   writes it
//
// It pays where reads are long or block; for a few instructions a spin lock costs less than the two
// that this one takes. Thread context only; not recursive, no upgrade from reader to writer.
#pragma once

#include <cstdint>

#include "base/lock_rank.h"
#include "base/thread_annotations.h"
#include "base/wait_end.h"
#include "machine/lock_checks.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"

namespace k42::sync {

class ReadWriteQueue {
 public:
  // What a waiter waits for: threads of this node, in the middle of something short; or whatever
  // those inside may be held up by (Thread::BlockExternal).
  enum class Waits : std::uint8_t { kShortly, kExternally };

  constexpr ReadWriteQueue() = default;

  void Acquire(bool write, Waits waits = Waits::kShortly);
  bool TryAcquire(bool write);
  void Release(bool write);

 private:
  struct Waiter {
    Waiter* next;
    bool write;
    WaitEnd<machine::Thread> wait;
  };
  bool MayEnterLocked(bool write) const K42_REQUIRES(lock_);
  void EnterLocked(bool write) K42_REQUIRES(lock_);
  Waiter* AdmitLocked() K42_REQUIRES(lock_);  // null: nobody who may enter now
  static void Wake(Waiter* waiter);

  machine::SpinLock<LockRank::kMutexQueue> lock_;
  std::uint32_t readers_ K42_GUARDED_BY(lock_) = 0;
  bool writer_ K42_GUARDED_BY(lock_) = false;
  Waiter* first_ K42_GUARDED_BY(lock_) = nullptr;
  Waiter* last_ K42_GUARDED_BY(lock_) = nullptr;
};

template <LockRank rank>
class K42_CAPABILITY("read-write lock") ReadWriteLock {
 public:
  constexpr ReadWriteLock() = default;
  ReadWriteLock(const ReadWriteLock&) = delete;
  ReadWriteLock& operator=(const ReadWriteLock&) = delete;

  void Lock() K42_ACQUIRE() {
    machine::LockNote::Wanted(this, rank, machine::LockKind::kBlocking);
    queue_.Acquire(true);
    machine::LockNote::Acquired(this, rank, machine::LockKind::kBlocking);
  }
  bool TryLock() K42_TRY_ACQUIRE(true) {
    const bool taken = queue_.TryAcquire(true);
    if (taken)
      machine::LockNote::Acquired(this, rank, machine::LockKind::kBlocking);
    return taken;
  }
  void Unlock() K42_RELEASE() {
    machine::LockNote::Released(this, rank, machine::LockKind::kBlocking);
    queue_.Release(true);
  }

  void LockShared() K42_ACQUIRE_SHARED() {
    machine::LockNote::Wanted(this, rank, machine::LockKind::kBlocking);
    queue_.Acquire(false);
    machine::LockNote::Acquired(this, rank, machine::LockKind::kBlocking);
  }
  bool TryLockShared() K42_TRY_ACQUIRE_SHARED(true) {
    const bool taken = queue_.TryAcquire(false);
    if (taken)
      machine::LockNote::Acquired(this, rank, machine::LockKind::kBlocking);
    return taken;
  }
  void UnlockShared() K42_RELEASE_SHARED() {
    machine::LockNote::Released(this, rank, machine::LockKind::kBlocking);
    queue_.Release(false);
  }

 private:
  ReadWriteQueue queue_;
};

template <typename Lock>
class K42_SCOPED_CAPABILITY ReadGuard {
 public:
  explicit ReadGuard(Lock& lock) K42_ACQUIRE_SHARED(lock) : lock_(lock) { lock_.LockShared(); }
  ~ReadGuard() K42_RELEASE() { lock_.UnlockShared(); }
  ReadGuard(const ReadGuard&) = delete;
  ReadGuard& operator=(const ReadGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace k42::sync
