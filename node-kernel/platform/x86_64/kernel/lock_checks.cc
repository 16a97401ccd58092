#include "machine/lock_checks.h"

#include <iterator>

#include "instructions.h"
#include "machine/cpu.h"
#include "machine/lock_sites.h"
#include "machine/log.h"
#include "machine/thread.h"

namespace k42::machine {
namespace {

// Spin locks by CPU (a holder keeps its CPU; interrupt handlers take theirs on top), blocking ones
// by thread. Debug kernels only.
struct HeldSpins {
  std::uint32_t count;
  std::uint64_t uncounted;  // cycles, ever
  std::uint32_t uncounted_depth;
  HeldLock locks[16];
};
constinit HeldSpins held_spins[kMaxCpus] = {};

void CheckOrder(const HeldLock* held, std::uint32_t count, const void* lock, LockRank rank) {
  for (std::uint32_t i = 0; i < count; ++i) {
    // A lock's first member may be a lock, too: the same address, another rank.
    if (held[i].lock == lock && held[i].rank == rank) {
      Panic("lock of rank {} taken twice by one thread", rank);
    }
    if (held[i].rank >= rank) {
      Panic("lock rank {} taken while rank {} is held", rank, held[i].rank);
    }
  }
}

void Add(HeldLock* held, std::uint32_t& count, std::uint32_t most, const HeldLock& lock) {
  K42_ASSERT(count < most, "so many locks held at once");
  held[count] = lock;
  ++count;
}

HeldLock Remove(HeldLock* held, std::uint32_t& count, const void* lock, LockRank rank) {
  for (std::uint32_t i = count; i-- > 0;) {
    if (held[i].lock == lock && held[i].rank == rank) {
      const HeldLock found = held[i];
      for (; i + 1 < count; ++i) {
        held[i] = held[i + 1];
      }
      --count;
      return found;
    }
  }
  Panic("lock released by a thread that does not hold it");
}

}  // namespace

// The thread's own records, out of reach for everybody else.
struct ThreadLocks {
  static HeldLock* Held(Thread& thread) { return thread.held_.data(); }
  static std::uint32_t& Count(Thread& thread) { return thread.held_count_; }
  static std::uint32_t Most(Thread& thread) {
    return static_cast<std::uint32_t>(thread.held_.size());
  }
};

void CheckMayCall() {
  if (ThisCpuArea()->spin_locks_held != 0) {
    Panic("object called while holding a spin lock");
  }
  Thread* self = Thread::Current();
  if (self != nullptr && self->context().user_call != nullptr &&
      self->context().thread == nullptr) {
    Panic("object called by a thread that is not active");
  }
  for (std::uint32_t i = 0; self != nullptr && i < ThreadLocks::Count(*self); ++i) {
    const LockRank rank = ThreadLocks::Held(*self)[i].rank;
    if (!MayBeHeldAcrossCalls(rank)) {
      Panic("object called while holding a blocking lock of rank {}", rank);
    }
  }
}

namespace detail {

// The time as a holder's: without what debug kernels do on the side.
std::uint64_t UncountedSince() {
  ++held_spins[CurrentCpu()].uncounted_depth;
  return CycleCount();
}
void AddUncounted(std::uint64_t since) {
  HeldSpins& spins = held_spins[CurrentCpu()];
  if (--spins.uncounted_depth == 0) {
    spins.uncounted += CycleCount() - since;
  }
}

void LockExplained(const HoldReason& reason) {
  const UncountedWork uncounted;
  HeldSpins& spins = held_spins[CurrentCpu()];
  spins.locks[spins.count - 1].reason = &reason;
}

void LockWanted(const void* lock, LockRank rank, LockKind kind) {
  const UncountedWork uncounted;
  const HeldSpins& spins = held_spins[CurrentCpu()];
  CheckOrder(spins.locks, spins.count, lock, rank);
  if (kind == LockKind::kBlocking && spins.count != 0) {
    Panic("blocking lock of rank {} taken while holding a spin lock", rank);
  }
  if (Thread* self = Thread::Current(); self != nullptr) {
    CheckOrder(ThreadLocks::Held(*self), ThreadLocks::Count(*self), lock, rank);
  }
}

void LockAcquired(const void* lock, LockRank rank, LockKind kind) {
  // Before any time is taken: an interrupt between two readings would be taken off the hold, which
  // could then be less than nothing.
  const auto interrupts = ThisCpuArea()->interrupts;
  const UncountedWork uncounted;
  const auto site = reinterpret_cast<std::uint64_t>(__builtin_return_address(0));
  const HeldLock held{
      lock, rank, site, CycleCount(), interrupts, held_spins[CurrentCpu()].uncounted, nullptr};
  if (kind == LockKind::kSpin) {
    HeldSpins& spins = held_spins[CurrentCpu()];
    Add(spins.locks, spins.count, std::size(spins.locks), held);
  } else {
    Thread& self = *Thread::Current();
    Add(ThreadLocks::Held(self), ThreadLocks::Count(self), ThreadLocks::Most(self), held);
  }
}

void LockReleased(const void* lock, LockRank rank, LockKind kind) {
  if (kind == LockKind::kBlocking) {
    Thread& self = *Thread::Current();
    Remove(ThreadLocks::Held(self), ThreadLocks::Count(self), lock, rank);
    return;
  }
  const std::uint64_t now = CycleCount();
  const UncountedWork uncounted;
  HeldSpins& spins = held_spins[CurrentCpu()];
  const HeldLock held = Remove(spins.locks, spins.count, lock, rank);
  if (held.interrupts == ThisCpuArea()->interrupts) {  // else it is not the holder's time alone
    NoteHold(held.site, now - held.since - (spins.uncounted - held.uncounted), held.reason);
  }
}

}  // namespace detail
}  // namespace k42::machine
