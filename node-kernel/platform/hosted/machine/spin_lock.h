// Spin locks with the kernel's interface; see platform/x86_64/kernel/machine/spin_lock.h for what
// they promise there, and lock_checks.h for what is checked here.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/assert.h"
#include "base/lock_rank.h"
#include "base/thread_annotations.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/lock_checks.h"
#include "platform/contract/hold_reason.h"

namespace k42::machine {

// How many spin locks this thread holds: zero wherever it may block or call another object.
std::uint32_t SpinLocksHeld();

template <LockRank rank>
class K42_CAPABILITY("spin lock") SpinLock {
 public:
  constexpr SpinLock() = default;
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

  void Lock() K42_ACQUIRE() {
    LockNote::Wanted(this, rank, LockKind::kSpin);
    while (held_.exchange(true, std::memory_order_acquire)) Pause();
    LockNote::Acquired(this, rank, LockKind::kSpin);
  }
  bool TryLock() K42_TRY_ACQUIRE(true) {
    if (held_.exchange(true, std::memory_order_acquire))
      return false;
    LockNote::Acquired(this, rank, LockKind::kSpin);
    return true;
  }
  void Unlock() K42_RELEASE() {
    LockNote::Released(this, rank, LockKind::kSpin);
    held_.store(false, std::memory_order_release);
  }
  bool IsHeld() const { return held_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> held_{false};
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
    while (held_.exchange(true, std::memory_order_acquire)) Pause();
    interrupts_were_on_ = were_on;
    LockNote::Acquired(this, rank, LockKind::kSpin);
  }
  bool TryLock() K42_TRY_ACQUIRE(true) {
    const bool were_on = InterruptsEnabled();
    DisableInterrupts();
    if (held_.exchange(true, std::memory_order_acquire)) {
      if (were_on)
        EnableInterrupts();
      return false;
    }
    interrupts_were_on_ = were_on;
    LockNote::Acquired(this, rank, LockKind::kSpin);
    return true;
  }
  void Unlock() K42_RELEASE() {
    LockNote::Released(this, rank, LockKind::kSpin);
    const bool enable = interrupts_were_on_;
    held_.store(false, std::memory_order_release);
    if (enable)
      EnableInterrupts();
  }
  bool IsHeld() const { return held_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> held_{false};
  bool interrupts_were_on_ = false;  // of the present holder
};

// SpinGuard guard(lock_);
template <typename Lock>
class K42_SCOPED_CAPABILITY SpinGuard {
 public:
  explicit SpinGuard(Lock& lock) K42_ACQUIRE(lock) : lock_(lock) { lock_.Lock(); }
  SpinGuard(Lock& lock, const HoldReason&) K42_ACQUIRE(lock) : lock_(lock) { lock_.Lock(); }
  ~SpinGuard() K42_RELEASE() { lock_.Unlock(); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace k42::machine
