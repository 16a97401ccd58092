// Spin locks, for a few instructions' worth of work.
//
// SpinLock<rank>     between threads of different CPUs. Interrupts stay on, so interrupt handlers
//                    must not take it. Threads are cooperative: whoever holds one cannot lose its
//                    CPU to another thread, and must not block.
// IrqSpinLock<rank>  may also be taken by interrupt handlers: interrupts are off while it is held.
//
// Waiting: spins for at most about 2 us, then halts until the holder's release kicks it (the holder
// may be a virtual CPU that the host is not running; spinning would burn its host slice). A waiter
// whose interrupts are off can only spin. Waits of more than 10 us are counted by site
// (machine/lock_sites.h).
#pragma once

#include <cstdint>

#include "base/kick_word.h"
#include "base/lock_rank.h"
#include "base/thread_annotations.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/lock_checks.h"
#include "platform/contract/hold_reason.h"

namespace k42::machine {

namespace detail {
class SpinWord {
 public:
  bool TryAcquire() { return word_.TryAcquire(); }
  void Acquire() {
    if (!TryAcquire()) [[unlikely]] {
      AcquireSlow();
    }
  }
  void Release() {
    if (word_.Release()) [[unlikely]] {
      Kick();
    }
  }
  bool held() const { return word_.held(); }
  // The caller has turned interrupts off; they go on again between two tries if they `were_on`: the
  // interrupt that would have come may matter to the holder.
  void AcquireMasked(bool were_on) {
    if (!TryAcquire()) [[unlikely]] {
      AcquireMaskedSlow(were_on);
    }
  }

 private:
  // Out of line: their return address names the site.
  void AcquireSlow();
  void AcquireMaskedSlow(bool were_on);
  void WaitForRelease();  // returns when the lock may be free; sooner if interrupts are off
  void Kick();
  KickWord<> word_;
};

inline void CountAcquired(const void* lock, LockRank rank) {
  ++ThisCpuArea()->spin_locks_held;
  LockNote::Acquired(lock, rank, LockKind::kSpin);
}
inline void CountReleased(const void* lock, LockRank rank) {
  LockNote::Released(lock, rank, LockKind::kSpin);
  --ThisCpuArea()->spin_locks_held;
}
}  // namespace detail

// How many spin locks this CPU holds: zero wherever a thread may block or call another object.
inline std::uint32_t SpinLocksHeld() {
  return ThisCpuArea()->spin_locks_held;
}

template <LockRank rank>
class K42_CAPABILITY("spin lock") SpinLock {
 public:
  constexpr SpinLock() = default;
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

  void Lock() K42_ACQUIRE() {
    LockNote::Wanted(this, rank, LockKind::kSpin);
    word_.Acquire();
    detail::CountAcquired(this, rank);
  }
  bool TryLock() K42_TRY_ACQUIRE(true) {
    const bool taken = word_.TryAcquire();
    if (taken) {
      detail::CountAcquired(this, rank);
    }
    return taken;
  }
  void Unlock() K42_RELEASE() {
    detail::CountReleased(this, rank);
    word_.Release();
  }
  bool IsHeld() const { return word_.held(); }

 private:
  detail::SpinWord word_;
};

template <LockRank rank>
class K42_CAPABILITY("irq spin lock") IrqSpinLock {
 public:
  constexpr IrqSpinLock() = default;
  IrqSpinLock(const IrqSpinLock&) = delete;
  IrqSpinLock& operator=(const IrqSpinLock&) = delete;

  void Lock() K42_ACQUIRE() {
    LockNote::Wanted(this, rank, LockKind::kSpin);
    const bool were_on = InterruptsEnabled();
    DisableInterrupts();
    word_.AcquireMasked(were_on);
    interrupts_were_on_ = were_on;
    detail::CountAcquired(this, rank);
  }
  bool TryLock() K42_TRY_ACQUIRE(true) {
    const bool were_on = InterruptsEnabled();
    DisableInterrupts();
    const bool taken = word_.TryAcquire();
    if (taken) {
      interrupts_were_on_ = were_on;
      detail::CountAcquired(this, rank);
    } else if (were_on) {
      EnableInterrupts();
    }
    return taken;
  }
  void Unlock() K42_RELEASE() {
    detail::CountReleased(this, rank);
    const bool enable = interrupts_were_on_;
    word_.Release();
    if (enable) {
      EnableInterrupts();
    }
  }
  bool IsHeld() const { return word_.held(); }

 private:
  detail::SpinWord word_;
  bool interrupts_were_on_ = false;  // of the present holder
};

// SpinGuard guard(lock_);
template <typename Lock>
class K42_SCOPED_CAPABILITY SpinGuard {
 public:
  explicit SpinGuard(Lock& lock) K42_ACQUIRE(lock) : lock_(lock) { lock_.Lock(); }
  // Held for longer than a few instructions.
  SpinGuard(Lock& lock, const HoldReason& reason) K42_ACQUIRE(lock) : lock_(lock) {
    lock_.Lock();
    LockNote::Explain(reason);
  }
  ~SpinGuard() K42_RELEASE() { lock_.Unlock(); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace k42::machine
