// A timer of any clock. One of CPU time is looked at when it may be due at the earliest.
#pragma once

#include <cstdint>

#include "user/linux/abi_time.h"
#include "user/linux/timer_queue.h"

namespace k42::personality {

struct Task;

struct IntervalTimer : Timer {
  std::uint32_t clock = kClockMonotonic;  // or one of CPU time, as CpuClockOf names it
  std::uint64_t due_ns = 0;               // by its clock: those of waiting by the monotonic one
  std::uint64_t interval_ns = 0;

  bool armed() const { return link.linked; }
  void ArmFor(std::uint64_t due);
  // For `expired`: false, and it is armed again, if its time has not come. Else it is armed for the
  // next interval, if it has one, and `missed` tells how many have passed beyond the first.
  bool Reached(std::uint64_t* missed);
  // What its clock shows, and how long it still has to go (0: not armed).
  std::uint64_t Now() const;
  std::uint64_t Left() const;
};

// ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF. The time of the kernel's own work for a program is the
// program's here, so that the latter two count the same.
inline constexpr std::uint32_t kIntervalTimers = 3, kRealTimer = 0;

// Most tasks have none of them, and every fork copies what a task has.
struct TaskTimers {
  IntervalTimer interval[kIntervalTimers];
  IntervalTimer cpu_limit;
};

// setitimer, alarm: the timer's signal when `first_ns` have passed (0: never), then at each
// interval. False: no memory.
bool SetIntervalTimer(Task& task, std::uint32_t which, std::uint64_t first_ns,
                      std::uint64_t interval_ns);
// How long it still has to go (0: not armed), and its interval.
struct TimerSetting {
  std::uint64_t left_ns, interval_ns;
};
TimerSetting IntervalTimerOf(const Task& task, std::uint32_t which);

// RLIMIT_CPU, all ones: none. SIGXCPU at the soft limit and each second after it, SIGKILL at the
// hard one. Without memory for the timer it is only told.
struct CpuLimit {
  std::uint64_t soft_seconds, hard_seconds;
};
void LimitCpu(Task& task, const CpuLimit& limit);

// Of a task that ends, or of a copied one: its timers are not inherited, its limit is.
void DropTimers(Task& task);
void ForgetTimers(Task& task);

}  // namespace k42::personality
