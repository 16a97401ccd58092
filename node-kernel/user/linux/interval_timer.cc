#include "user/linux/interval_timer.h"

#include "user/linux/clocks.h"
#include "user/linux/dispatcher.h"
#include "user/linux/heap.h"
#include "user/linux/signals.h"
#include "user/linux/task.h"

namespace k42::personality {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
// CPU time is looked at this often: a process that does not run, or begins to run on more
// processors, is noticed in time.
constexpr std::uint64_t kSoonest = 1'000'000, kLatest = kNsPerSecond;
constexpr std::uint64_t kNever = ~0ull;

int SignalOf(std::uint32_t which) {
  constexpr int kSignals[kIntervalTimers] = {kSIGALRM, kSIGVTALRM, kSIGPROF};
  return kSignals[which];
}

void Post(Task& task, int signal) {
  LinuxSigInfo info{};
  info.signo = signal;
  info.code = kSiKernel;
  PostToTask(task, info);
}

// Whose timer it is: `of` leads from a task's timers to it.
template <typename F>
Task* TaskOf(const Timer* timer, F of) {
  Task* task = Tasks().first();
  while (task && (!task->timers || of(*task->timers) != timer)) {
    task = Tasks().Next(task);
  }
  return task;
}

template <std::uint32_t kWhich>
void TimerExpired(Timer* timer) {
  Task* task = TaskOf(timer, [](TaskTimers& each) { return &each.interval[kWhich]; });
  std::uint64_t missed = 0;
  if (task && static_cast<IntervalTimer*>(timer)->Reached(&missed)) {
    Post(*task, SignalOf(kWhich));
  }
}

void LimitExpired(Timer* timer) {
  Task* task = TaskOf(timer, [](TaskTimers& each) { return &each.cpu_limit; });
  std::uint64_t missed = 0;
  if (!task || !static_cast<IntervalTimer*>(timer)->Reached(&missed)) {
    return;
  }
  const std::uint64_t hard = task->cpu_limit.hard_seconds;
  const bool over = task->timers->cpu_limit.Now() / kNsPerSecond >= hard;
  Post(*task, over ? kSIGKILL : kSIGXCPU);
}

// Null: no memory.
TaskTimers* TimersOf(Task& task) {
  if (!task.timers) {
    task.timers = New<TaskTimers>();
  }
  return task.timers;
}

// The CPU time of a process grows as many times as fast as it has dispatchers.
std::uint64_t Dispatchers() {
  proc::TaskInfo info{};
  return kernel::GetTask(0, &info) == Status::kOk && info.dispatchers > 1 ? info.dispatchers : 1;
}

}  // namespace

std::uint64_t IntervalTimer::Now() const {
  if (!IsCpuClock(clock)) {
    return kernel::MonotonicNs();
  }
  const std::int64_t now = ReadCpuClock(clock);
  return now < 0 ? 0 : static_cast<std::uint64_t>(now);  // a thread that is gone uses no more
}

std::uint64_t IntervalTimer::Left() const {
  const std::uint64_t now = armed() ? Now() : 0;
  return !armed() ? 0 : due_ns > now ? due_ns - now : 1;
}

void IntervalTimer::ArmFor(std::uint64_t due) {
  due_ns = due;
  std::uint64_t deadline = due;
  if (IsCpuClock(clock)) {
    const std::uint64_t now = Now();
    const std::uint64_t wait = (due > now ? due - now : 0) / Dispatchers();
    deadline = kernel::MonotonicNs() + (wait < kSoonest  ? kSoonest
                                        : wait > kLatest ? kLatest
                                                         : wait);
  }
  Here().timers().Arm(this, deadline);
}

bool IntervalTimer::Reached(std::uint64_t* missed) {
  const std::uint64_t now = Now();
  if (now < due_ns) {
    ArmFor(due_ns);
    return false;
  }
  *missed = interval_ns != 0 ? (now - due_ns) / interval_ns : 0;
  if (interval_ns != 0) {
    ArmFor(due_ns + (*missed + 1) * interval_ns);
  }
  return true;
}

bool SetIntervalTimer(Task& task, std::uint32_t which, std::uint64_t first_ns,
                      std::uint64_t interval_ns) {
  if (first_ns == 0 && !task.timers) {
    return true;
  }
  TaskTimers* timers = TimersOf(task);
  if (!timers) {
    return false;
  }
  constexpr void (*kExpired[kIntervalTimers])(Timer*) = {TimerExpired<0>, TimerExpired<1>,
                                                         TimerExpired<2>};
  IntervalTimer& timer = timers->interval[which];
  timer.clock = which == kRealTimer ? kClockMonotonic : ProcessCpuClock(task.pid);
  timer.expired = kExpired[which];
  timer.interval_ns = interval_ns;
  const std::uint64_t now = timer.Now();
  if (first_ns == 0) {
    TimerQueue::Disarm(&timer);
  } else {
    timer.ArmFor(now + first_ns < INT64_MAX ? now + first_ns : INT64_MAX);
  }
  return true;
}

TimerSetting IntervalTimerOf(const Task& task, std::uint32_t which) {
  if (!task.timers) {
    return {0, 0};
  }
  const IntervalTimer& timer = task.timers->interval[which];
  return {timer.Left(), timer.interval_ns};
}

void LimitCpu(Task& task, const CpuLimit& limit) {
  task.cpu_limit = limit;
  if (task.timers) {
    TimerQueue::Disarm(&task.timers->cpu_limit);
  }
  const std::uint64_t seconds =
      limit.soft_seconds < limit.hard_seconds ? limit.soft_seconds : limit.hard_seconds;
  if (seconds >= kNever / kNsPerSecond) {
    return;
  }
  TaskTimers* timers = TimersOf(task);
  if (!timers) {
    return;
  }
  IntervalTimer& timer = timers->cpu_limit;
  timer.clock = ProcessCpuClock(task.pid);
  timer.expired = LimitExpired;
  timer.interval_ns = kNsPerSecond;
  timer.ArmFor(seconds == 0 ? 1 : seconds * kNsPerSecond);
}

void ForgetTimers(Task& task) {
  if (task.timers) {
    *task.timers = {};
  }
  task.posix_timers = nullptr;
  LimitCpu(task, task.cpu_limit);
}

}  // namespace k42::personality
