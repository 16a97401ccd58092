#include "machine/lock_checks.h"

#include <vector>

#include "machine/interrupts.h"
#include "machine/log.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"

namespace k42::machine {

namespace {
struct Held {
  const void* lock;
  LockRank rank;
  LockKind kind;
};
thread_local std::vector<Held> held;
}  // namespace

std::uint32_t SpinLocksHeld() {
  std::uint32_t count = 0;
  for (const Held& item : held) count += item.kind == LockKind::kSpin;
  return count;
}

void CheckMayCall() {
  if (SpinLocksHeld() != 0)
    Panic("object called while holding a spin lock");
  for (const Held& item : held)
    if (!MayBeHeldAcrossCalls(item.rank))
      Panic("object called while holding a blocking lock of rank {}", item.rank);
}

void LockNote::Wanted(const void* lock, LockRank rank, LockKind kind) {
  for (const Held& item : held) {
    // A lock's first member may be a lock, too: the same address, another rank.
    if (item.lock == lock && item.rank == rank)
      Panic("lock of rank {} taken twice by one thread", rank);
    if (item.rank >= rank)
      Panic("lock rank {} taken while rank {} is held", rank, item.rank);
  }
  if (kind == LockKind::kBlocking)
    detail::CheckMayBlock("takes a blocking lock");
}

void LockNote::Acquired(const void* lock, LockRank rank, LockKind kind) {
  held.push_back({lock, rank, kind});
}

void LockNote::Released(const void* lock, LockRank rank, LockKind) {
  for (auto at = held.begin(); at != held.end(); ++at) {
    if (at->lock == lock && at->rank == rank) {
      held.erase(at);
      return;
    }
  }
  Panic("lock released by a thread that does not hold it");
}

namespace detail {

bool IsHeldHere(const void* lock) {
  for (const Held& item : held)
    if (item.lock == lock)
      return true;
  return false;
}

void CheckMayBlock(const char* what) {
  if (!InterruptsEnabled())
    Panic("thread {} with interrupts off", what);
  if (SpinLocksHeld() != 0)
    Panic("thread {} while holding a spin lock", what);
  if (Thread::Current() == nullptr)
    Panic("host thread without virtual CPU {} (machine/hosted.h)", what);
}

}  // namespace detail
}  // namespace k42::machine
