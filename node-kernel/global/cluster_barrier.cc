#include "global/cluster_barrier.h"

#include "machine/clock.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42::global {

namespace {

constexpr std::uint64_t kFirstPauseNs = 200'000;
constexpr std::uint64_t kLongestPauseNs = 10'000'000;

void Pause(std::uint64_t ns) {
  struct Wake {
    machine::Thread* thread;
    bool due;
  } wake{machine::Thread::Current(), false};
  machine::Timer timer;
  timer.Arm(
      machine::MonotonicNs() + ns,
      [](void* argument) {
        auto* sleeper = static_cast<Wake*>(argument);
        sleeper->due = true;
        sleeper->thread->Unblock();
      },
      &wake);
  while (!wake.due) machine::Thread::BlockExternal();
}

}  // namespace

Status WaitAtBarrier(cobj::Ref<IClusterBarrier> barrier, std::uint32_t member,
                     std::uint64_t deadline_ns) {
  const std::uint64_t round = TRY(barrier->Arrive(member));
  std::uint64_t pause = kFirstPauseNs;
  while (!TRY(barrier->Passed(round))) {
    if (machine::MonotonicNs() >= deadline_ns)
      return Status::kTimedOut;
    Pause(pause);
    pause = pause * 2 < kLongestPauseNs ? pause * 2 : kLongestPauseNs;
  }
  return Status::kOk;
}

}  // namespace k42::global
