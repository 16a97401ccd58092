// The lock discipline, checked on every acquisition, always: rank strictly rising, no recursion,
// released by its owner, nothing blocking under a spin lock or with interrupts off. Stricter than
// the kernel's locks, so that a hosted test does not bless what deadlocks in a guest.
#pragma once

#include <cstdint>

#include "base/lock_rank.h"

namespace k42::machine::detail {

enum class LockKind : std::uint8_t { kSpin, kBlocking };

void CheckBeforeAcquire(const void* lock, LockRank rank, LockKind kind);
void NoteAcquired(const void* lock, LockRank rank, LockKind kind);
void NoteReleased(const void* lock);  // aborts unless this host thread holds it
bool IsHeldHere(const void* lock);
void CheckMayBlock(const char* what);

}  // namespace k42::machine::detail
