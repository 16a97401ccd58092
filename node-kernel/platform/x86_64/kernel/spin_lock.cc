#include "machine/spin_lock.h"

#include <array>

#include "instructions.h"
#include "lapic.h"
#include "lock_waits.h"
#include "machine/clock.h"
#include "machine/lock_sites.h"
#include "machine/stepped_range.h"

namespace k42::machine::detail {
namespace {

constexpr std::uint64_t kSpinCycles = 5000;  // about 2 us

// Which lock word each CPU halts for, if any (the slots of base/kick_word.h).
constinit std::array<std::atomic<const SpinWord*>, kMaxCpus> waiting_for{};

// One wait, from its first failed try.
class TimedWait {
 public:
  TimedWait() : since_(MonotonicNs()) {}
  void End(const void* site) const {
    const std::uint64_t ns = MonotonicNs() - since_;
    if (ns > kLongWaitNs) {
      NoteLongWait(reinterpret_cast<std::uint64_t>(site), ns);
    }
  }

 private:
  const std::uint64_t since_;
};

}  // namespace

[[gnu::noinline]] void SpinWord::AcquireSlow() {
  const TimedWait wait;
  while (!TryAcquire()) {
    WaitForRelease();
  }
  wait.End(__builtin_return_address(0));
}

[[gnu::noinline]] void SpinWord::AcquireMaskedSlow(bool were_on) {
  const TimedWait wait;
  while (!TryAcquire()) {
    if (were_on) {
      EnableInterrupts();
    }
    Pause();
    DisableInterrupts();
  }
  wait.End(__builtin_return_address(0));
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
  bool wait = false;
  {
    const SteppedRange stepped;
    mine.store(this);
    word_.Announce();
    DisableInterrupts();
    wait = word_.MustWait();
  }
  if (wait) {
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

const void* LockWaitedFor(CpuId cpu) {
  return waiting_for[cpu].load(std::memory_order_relaxed);
}

}  // namespace k42::machine::detail
