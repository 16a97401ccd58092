// The lock discipline, checked on every acquisition by debug kernels: ranks rise, nobody takes a
// lock twice, holders alone release, nothing is held across a call of an object. Every kind of lock
// tells of itself here; in other kernels that is no code at all.
#pragma once

#include <cstdint>

#include "base/assert.h"
#include "base/lock_rank.h"
#include "platform/contract/hold_reason.h"

namespace k42::machine {

enum class LockKind : std::uint8_t { kSpin, kBlocking };

// A lock that a CPU (spin) or a thread (blocking) holds.
struct HeldLock {
  const void* lock;
  LockRank rank;
  std::uint64_t site;        // who took it: an address in that function
  std::uint64_t since;       // cycles
  std::uint64_t interrupts;  // that the CPU had taken then
  std::uint64_t uncounted;   // cycles of UncountedWork that the CPU had done then
  const HoldReason* reason;
};

// Panics if the caller holds a lock: objects drop theirs before they call another (but for blocking
// ones that say so, MayBeHeldAcrossCalls); or if it serves user code and is not active.
void CheckMayCall();
inline void AssertMayCall() {
  if constexpr (kDebugChecks) {
    CheckMayCall();
  }
}

namespace detail {
void LockWanted(const void* lock, LockRank rank, LockKind kind);
void LockAcquired(const void* lock, LockRank rank, LockKind kind);
void LockReleased(const void* lock, LockRank rank, LockKind kind);
void LockExplained(const HoldReason& reason);
void AddUncounted(std::uint64_t since);
std::uint64_t UncountedSince();
}  // namespace detail

// What only debug kernels do while a lock is held does not count as holding it.
class UncountedWork {
 public:
  UncountedWork() {
    if constexpr (kDebugChecks) {
      since_ = detail::UncountedSince();
    }
  }
  ~UncountedWork() {
    if constexpr (kDebugChecks) {
      detail::AddUncounted(since_);
    }
  }
  UncountedWork(const UncountedWork&) = delete;
  UncountedWork& operator=(const UncountedWork&) = delete;

 private:
  std::uint64_t since_ = 0;
};

struct LockNote {
  // Before the lock is waited for: a wrong order is reported, not a deadlock found.
  static void Wanted(const void* lock, LockRank rank, LockKind kind) {
    if constexpr (kDebugChecks) {
      detail::LockWanted(lock, rank, kind);
    }
  }
  // A try may be out of order: it cannot deadlock.
  static void Acquired(const void* lock, LockRank rank, LockKind kind) {
    if constexpr (kDebugChecks) {
      detail::LockAcquired(lock, rank, kind);
    }
  }
  // The lock taken last.
  static void Explain(const HoldReason& reason) {
    if constexpr (kDebugChecks) {
      detail::LockExplained(reason);
    }
  }
  static void Released(const void* lock, LockRank rank, LockKind kind) {
    if constexpr (kDebugChecks) {
      detail::LockReleased(lock, rank, kind);
    }
  }
};

}  // namespace k42::machine
