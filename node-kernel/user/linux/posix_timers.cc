// Interval timers: alarm, setitimer, timer_create. All run on the dispatcher's timer queue.
#include "user/linux/abi_time.h"
#include "user/linux/abi_usage.h"
#include "user/linux/call_support.h"
#include "user/linux/clocks.h"
#include "user/linux/dispatcher.h"
#include "user/linux/signals.h"

namespace k42::personality {

struct PosixTimer : IntervalTimer {
  PosixTimer* next_timer = nullptr;
  Task* task = nullptr;
  std::int32_t id = 0;
  std::uint32_t named_clock = 0;  // as the program named it
  std::int32_t notify = 0, signal = 0, thread = 0;
  std::uint64_t value = 0;
  // Expiries beyond the one told: by the signal that was last sent, and by the one before it, which
  // is what the program knows while the last one waits.
  std::int32_t overrun = 0, told = 0;
};

namespace {

std::int32_t Capped(std::uint64_t count) {
  return static_cast<std::int32_t>(count < INT32_MAX ? count : INT32_MAX);
}

// Where its signals go: to a thread, or if that is null to the task.
Thread* TargetOf(const PosixTimer& timer) {
  return timer.notify == kNotifyThreadId ? FindThread(timer.thread) : nullptr;
}

// The signal that it has sent and that nobody has taken yet.
LinuxSigInfo* Waiting(const PosixTimer& timer) {
  Thread* thread = TargetOf(timer);
  PendingSignals& pending = thread ? thread->signals.pending : timer.task->pending;
  return pending.OfTimer(timer.signal, timer.id);
}

void PosixTimerExpired(Timer* expired) {
  auto* timer = static_cast<PosixTimer*>(expired);
  std::uint64_t missed = 0;
  if (!timer->Reached(&missed)) {
    return;
  }
  if (timer->notify == kNotifyNone) {
    return;
  }
  // One signal of a timer waits at a time, and counts those that it stands for.
  if (LinuxSigInfo* waiting = Waiting(*timer)) {
    timer->overrun = Capped(static_cast<std::uint64_t>(timer->overrun) + missed + 1);
    waiting->timer.overrun = timer->overrun;
    return;
  }
  timer->told = std::exchange(timer->overrun, Capped(missed));
  LinuxSigInfo info{};
  info.signo = timer->signal;
  info.code = kSiTimer;
  info.timer.id = timer->id;
  info.timer.overrun = timer->overrun;
  info.timer.value = timer->value;
  if (Thread* thread = TargetOf(*timer)) {
    PostToThread(*thread, info);
  } else {
    PostToTask(*timer->task, info);
  }
}

PosixTimer* FindTimer(Task& task, std::int32_t id) {
  PosixTimer* timer = task.posix_timers;
  while (timer && timer->id != id) {
    timer = timer->next_timer;
  }
  return timer;
}

LinuxITimerSpec Setting(const PosixTimer& timer) {
  return {ToTimespec(static_cast<std::int64_t>(timer.interval_ns)),
          ToTimespec(static_cast<std::int64_t>(timer.Left()))};
}

LinuxITimerVal Setting(const Task& task, std::uint32_t which) {
  const auto [left, interval] = IntervalTimerOf(task, which);
  return {ToTimeval(interval), ToTimeval(left != 0 && left < 1000 ? 1000 : left)};
}

bool ValidTimeval(const LinuxTimeval& time) {
  return time.seconds >= 0 && time.microseconds >= 0 && time.microseconds < 1'000'000;
}
std::uint64_t Nanoseconds(const LinuxTimeval& time) {
  return static_cast<std::uint64_t>(time.seconds) * kNsPerSecond +
         static_cast<std::uint64_t>(time.microseconds) * 1000;
}

}  // namespace

void DropTimers(Task& task) {
  if (task.timers) {
    for (IntervalTimer& timer : task.timers->interval) {
      TimerQueue::Disarm(&timer);
    }
    TimerQueue::Disarm(&task.timers->cpu_limit);
    Delete(std::exchange(task.timers, nullptr));
  }
  while (PosixTimer* timer = task.posix_timers) {
    task.posix_timers = timer->next_timer;
    TimerQueue::Disarm(timer);
    Delete(timer);
  }
}

namespace calls {

Reply Alarm(Thread& thread, U32 seconds) {
  const LinuxITimerVal old = Setting(*thread.task, kRealTimer);
  (void)SetIntervalTimer(*thread.task, kRealTimer, seconds * U64{kNsPerSecond}, 0);
  // Rounded, but never to zero while something was left.
  Reply left = old.value.seconds + (old.value.microseconds >= 500'000 ? 1 : 0);
  if (left == 0 && old.value.microseconds != 0) {
    left = 1;
  }
  return left;
}

Reply GetITimer(Thread& thread, U32 which, Address value) {
  if (which >= kIntervalTimers) {
    return -kEINVAL;
  }
  return WriteUser(value, Setting(*thread.task, which)) ? 0 : -kEFAULT;
}

Reply SetITimer(Thread& thread, U32 which, Address value, Address old) {
  if (which >= kIntervalTimers) {
    return -kEINVAL;
  }
  LinuxITimerVal next{};
  if (value != 0) {
    if (!ReadUser(&next, value)) {
      return -kEFAULT;
    }
    if (!ValidTimeval(next.value) || !ValidTimeval(next.interval)) {
      return -kEINVAL;
    }
  }
  const LinuxITimerVal previous = Setting(*thread.task, which);
  if (!SetIntervalTimer(*thread.task, which, Nanoseconds(next.value), Nanoseconds(next.interval))) {
    return -kENOMEM;
  }
  return old == 0 || WriteUser(old, previous) ? 0 : -kEFAULT;
}

Reply TimerCreate(Thread& thread, U32 clock, Address event, Address id) {
  LinuxSigEvent request{};
  request.signal = kSIGALRM;
  if (event != 0 && !ReadUser(&request, event)) {
    return -kEFAULT;
  }
  if (IsCpuClock(clock) ? ReadCpuClock(clock) < 0 : MonotonicFor(clock, 1) == 0) {
    return -kEINVAL;
  }
  if (request.notify != kNotifyNone && !SignalSet::Valid(request.signal)) {
    return -kEINVAL;
  }
  if (request.notify == kNotifyThreadId && !FindThread(request.thread)) {
    return -kEINVAL;
  }
  auto* timer = New<PosixTimer>();
  if (!timer) {
    return -kEAGAIN;
  }
  Task& task = *thread.task;
  timer->expired = PosixTimerExpired;
  timer->task = &task;
  timer->id = task.next_timer_id++;
  timer->named_clock = clock;
  timer->clock = IsCpuClock(clock) ? CpuClockOf(thread, clock) : kClockMonotonic;
  timer->notify = request.notify;
  timer->signal = request.signal;
  timer->thread = request.thread;
  timer->value = event != 0 ? request.value : static_cast<U64>(timer->id);
  if (!WriteUser(id, timer->id)) {
    Delete(timer);
    return -kEFAULT;
  }
  timer->next_timer = task.posix_timers;
  task.posix_timers = timer;
  return 0;
}

Reply TimerSetTime(Thread& thread, I32 id, U32 flags, Address value, Address old) {
  LinuxITimerSpec next;
  if (value == 0) {
    return -kEINVAL;
  }
  if (!ReadUser(&next, value)) {
    return -kEFAULT;
  }
  const std::int64_t first = FromTimespec(next.value), interval = FromTimespec(next.interval);
  PosixTimer* timer = FindTimer(*thread.task, id);
  if (!timer || first < 0 || interval < 0) {
    return -kEINVAL;
  }
  const LinuxITimerSpec previous = Setting(*timer);
  timer->interval_ns = static_cast<U64>(interval);
  timer->overrun = timer->told = 0;
  const bool absolute = (flags & kTimerAbsolute) != 0;
  if (first == 0) {
    TimerQueue::Disarm(timer);
  } else if (IsCpuClock(timer->clock)) {
    timer->ArmFor(absolute ? static_cast<U64>(first) : timer->Now() + static_cast<U64>(first));
  } else {
    timer->ArmFor(absolute ? MonotonicFor(timer->named_clock, first) : DeadlineAfter(first));
  }
  return old == 0 || WriteUser(old, previous) ? 0 : -kEFAULT;
}

Reply TimerGetTime(Thread& thread, I32 id, Address value) {
  const PosixTimer* timer = FindTimer(*thread.task, id);
  if (!timer) {
    return -kEINVAL;
  }
  return WriteUser(value, Setting(*timer)) ? 0 : -kEFAULT;
}

Reply TimerGetOverrun(Thread& thread, I32 id) {
  const PosixTimer* timer = FindTimer(*thread.task, id);
  if (!timer) {
    return -kEINVAL;
  }
  return Waiting(*timer) ? timer->told : timer->overrun;
}

Reply TimerDelete(Thread& thread, I32 id) {
  PosixTimer* timer = FindTimer(*thread.task, id);
  if (!timer) {
    return -kEINVAL;
  }
  TimerQueue::Disarm(timer);
  for (PosixTimer** link = &thread.task->posix_timers; *link; link = &(*link)->next_timer) {
    if (*link == timer) {
      *link = timer->next_timer;
      break;
    }
  }
  Delete(timer);
  return 0;
}

}  // namespace calls
}  // namespace k42::personality
