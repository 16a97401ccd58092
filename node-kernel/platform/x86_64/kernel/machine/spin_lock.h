// Spin locks, for a few instructions' worth of work.
//
// SpinLock<rank>     between threads of different CPUs. Interrupts stay on, so interrupt handlers
//                    must not take it. Threads are cooperative: whoever holds one cannot lose its
//                    CPU to another thread, and must not block.
// IrqSpinLock<rank>  may also be taken by interrupt handlers: interrupts are off while it is held.
//
// Waiting: spins for at most about 2 us, then halts until the holder's release kicks it (the holder
// may be a virtual CPU that the host is not running; spinning would burn its host slice). A waiter
// whose interrupts are off can only spin.
#pragma once

#include <cstdint>

#include "base/assert.h"
#include "base/kick_word.h"
#include "base/lock_rank.h"
#include "base/thread_annotations.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"

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
  // Returns when the lock may be free; sooner if interrupts are off.
  void WaitForRelease();

 private:
  void AcquireSlow();
  void Kick();
  KickWord<> word_;
};

// Bookkeeping of what this CPU holds; checks rank in debug builds.
void NoteAcquired(LockRank rank);
void NoteReleased(LockRank rank);
inline void CountAcquired(LockRank rank) {
  ++ThisCpuArea()->spin_locks_held;
  if constexpr (kDebugChecks) {
    NoteAcquired(rank);
  }
}
inline void CountReleased(LockRank rank) {
  if constexpr (kDebugChecks) {
    NoteReleased(rank);
  }
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
    word_.Acquire();
    detail::CountAcquired(rank);
  }
  bool TryLock() K42_TRY_ACQUIRE(true) {
    const bool taken = word_.TryAcquire();
    if (taken) {
      detail::CountAcquired(rank);
    }
    return taken;
  }
  void Unlock() K42_RELEASE() {
    detail::CountReleased(rank);
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
    const bool were_on = InterruptsEnabled();
    DisableInterrupts();
    while (!word_.TryAcquire()) [[unlikely]] {
        // Wait as the caller was: the interrupt that would have come may matter to the holder.
        if (were_on) {
          EnableInterrupts();
        }
        Pause();
        DisableInterrupts();
      }
    interrupts_were_on_ = were_on;
    detail::CountAcquired(rank);
  }
  void Unlock() K42_RELEASE() {
    detail::CountReleased(rank);
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
  ~SpinGuard() K42_RELEASE() { lock_.Unlock(); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace k42::machine
