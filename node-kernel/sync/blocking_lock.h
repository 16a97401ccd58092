// Locks of one word whose waiters block: BlockingLock, and BitLock, whose word also carries the
// owner's own bits.
//
// A release hands the lock to nobody: it wakes the first waiter, who competes with whoever comes
// meanwhile. That is better throughput than machine::Mutex (the fair lock: first come, first
// served, with a hand-off on each contended release) and no promise of a turn. A thread may hold
// several of them in rank order, as any lock. Thread context only; not recursive.
#pragma once

#include <cstdint>

#include "base/lock_rank.h"
#include "base/thread_annotations.h"
#include "machine/lock_checks.h"
#include "sync/wait_table.h"

namespace k42::sync {

namespace detail {
// The slow half, shared by every rank.
inline void AcquireWord(WaitWord& word) {
  while (!word.TryAcquire()) wait_table.Wait(word);
}
inline void ReleaseWord(WaitWord& word) {
  if (word.Release())
    wait_table.WakeOne(word);
}
}  // namespace detail

template <LockRank rank>
class K42_CAPABILITY("blocking lock") BlockingLock {
 public:
  constexpr BlockingLock() = default;
  BlockingLock(const BlockingLock&) = delete;
  BlockingLock& operator=(const BlockingLock&) = delete;

  void Lock() K42_ACQUIRE() {
    machine::LockNote::Wanted(this, rank, machine::LockKind::kBlocking);
    detail::AcquireWord(word_);
    machine::LockNote::Acquired(this, rank, machine::LockKind::kBlocking);
  }
  bool TryLock() K42_TRY_ACQUIRE(true) {
    const bool taken = word_.TryAcquire();
    if (taken)
      machine::LockNote::Acquired(this, rank, machine::LockKind::kBlocking);
    return taken;
  }
  void Unlock() K42_RELEASE() {
    machine::LockNote::Released(this, rank, machine::LockKind::kBlocking);
    detail::ReleaseWord(word_);
  }
  bool IsHeld() const { return word_.held(); }

 protected:
  explicit constexpr BlockingLock(std::uint64_t bits) : word_(bits) {}
  WaitWord word_;
};

// A BlockingLock in two bits of a word, whose other bits are the owner's.
template <LockRank rank>
class BitLock : public BlockingLock<rank> {
 public:
  static constexpr unsigned kBits = 64 - WaitWord::kUserShift;

  constexpr BitLock() = default;
  explicit constexpr BitLock(std::uint64_t bits) : BlockingLock<rank>(bits) {}

  // Anybody reads; the holder writes.
  std::uint64_t bits() const { return this->word_.user(); }
  void SetBits(std::uint64_t bits) { this->word_.SetUser(bits); }
};

}  // namespace k42::sync
