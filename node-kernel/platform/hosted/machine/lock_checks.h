// The lock discipline, checked on every acquisition, always: rank strictly rising, no recursion,
// released by its owner, nothing blocking under a spin lock or with interrupts off. Stricter than
// the kernel's locks, so that a hosted test does not bless what deadlocks in a guest.
#pragma once

#include <cstdint>

#include "base/lock_rank.h"

namespace k42::machine {

enum class LockKind : std::uint8_t { kSpin, kBlocking };

// Aborts if this thread holds a lock: objects drop theirs before they call another. Blocking locks
// of a rank that says so may be held (MayBeHeldAcrossCalls).
void CheckMayCall();
inline void AssertMayCall() {
  CheckMayCall();
}

struct LockNote {
  static void Wanted(const void* lock, LockRank rank, LockKind kind);
  static void Acquired(const void* lock, LockRank rank, LockKind kind);
  static void Released(const void* lock, LockRank rank, LockKind kind);  // aborts unless held here
};

// What only debug kernels do with a lock held (x86_64): nobody counts here.
struct UncountedWork {
  UncountedWork() {}
  ~UncountedWork() {}
};

namespace detail {
bool IsHeldHere(const void* lock);
void CheckMayBlock(const char* what);
}  // namespace detail

}  // namespace k42::machine
