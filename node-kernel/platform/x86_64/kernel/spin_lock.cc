#include "machine/spin_lock.h"

#include <array>

#include "base/assert.h"
#include "instructions.h"
#include "lapic.h"

namespace k42::machine::detail {
namespace {

constexpr std::uint64_t kSpinCycles = 5000;  // about 2 us

// Which lock word each CPU halts for, if any (the slots of base/kick_word.h).
constinit std::array<std::atomic<const SpinWord*>, kMaxCpus> waiting_for{};

struct Held {
  std::uint32_t depth;
  LockRank ranks[16];
};
constinit Held held[kMaxCpus] = {};  // each CPU its own; debug builds only

}  // namespace

void SpinWord::AcquireSlow() {
  while (!TryAcquire()) {
    WaitForRelease();
  }
}

void SpinWord::WaitForRelease() {
  const std::uint64_t start = CycleCount();
  while (CycleCount() - start < kSpinCycles) {
    if (!held()) {
      return;
    }
    Pause();
  }
  if (!InterruptsEnabled()) {
    return;  // no kick could arrive
  }
  std::atomic<const SpinWord*>& mine = waiting_for[CurrentCpu()];
  mine.store(this);
  word_.Announce();
  DisableInterrupts();
  if (word_.MustWait()) {
    EnableInterruptsAndHalt();
  } else {
    EnableInterrupts();
  }
  mine.store(nullptr);
}

void SpinWord::Kick() {
  for (CpuId cpu = 0; cpu < CpuCount(); ++cpu) {
    if (waiting_for[cpu].load() == this) {
      SendIpi(cpu, kVectorKick);
    }
  }
}

void NoteAcquired(LockRank rank) {
  Held& mine = held[CurrentCpu()];
  K42_ASSERT(mine.depth < std::size(mine.ranks), "too many spin locks held");
  K42_ASSERT(mine.depth == 0 || mine.ranks[mine.depth - 1] < rank,
             "locks are taken in the order of base/lock_rank.h");
  mine.ranks[mine.depth++] = rank;
}

void NoteReleased(LockRank rank) {
  Held& mine = held[CurrentCpu()];
  for (std::uint32_t i = mine.depth; i-- > 0;) {
    if (mine.ranks[i] == rank) {
      for (; i + 1 < mine.depth; ++i) {
        mine.ranks[i] = mine.ranks[i + 1];
      }
      --mine.depth;
      return;
    }
  }
  K42_ASSERT(false, "released a lock that is not held");
}

}  // namespace k42::machine::detail
