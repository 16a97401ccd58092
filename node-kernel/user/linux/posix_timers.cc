// Interval timers: alarm, setitimer, timer_create. All run on the dispatcher's timer queue.
#include "user/linux/abi_time.h"
#include "user/linux/abi_usage.h"
#include "user/linux/call_support.h"
#include "user/linux/clocks.h"
#include "user/linux/dispatcher.h"
#include "user/linux/signals.h"

namespace k42::personality {

struct PosixTimer : Timer {
  PosixTimer* next_timer = nullptr;
  Task* task = nullptr;
  std::int32_t id = 0;
  std::uint32_t clock = 0;
  std::int32_t notify = 0, signal = 0, thread = 0;
  std::uint64_t value = 0;
  std::uint64_t interval_ns = 0;
  std::int32_t overrun = 0;
};

namespace {

Task* TaskOfTimer(Timer* timer) {
  for (Task* task = Tasks().first(); task; task = Tasks().Next(task)) {
    if (&task->real_timer == timer) {
      return task;
    }
  }
  return nullptr;
}

void RealTimerExpired(Timer* timer) {
  auto* real = static_cast<IntervalTimer*>(timer);
  Task* task = TaskOfTimer(timer);
  if (!task) {
    return;
  }
  if (real->interval_ns != 0) {
    const std::uint64_t now = kernel::MonotonicNs();
    const std::uint64_t missed = (now - real->deadline_ns) / real->interval_ns;
    Here().timers().Arm(real, real->deadline_ns + (missed + 1) * real->interval_ns);
  }
  LinuxSigInfo info{};
  info.signo = kSIGALRM;
  info.code = kSiKernel;
  PostToTask(*task, info);
}

void PosixTimerExpired(Timer* expired) {
  auto* timer = static_cast<PosixTimer*>(expired);
  std::int32_t missed = 0;
  if (timer->interval_ns != 0) {
    const std::uint64_t now = kernel::MonotonicNs();
    const std::uint64_t times = (now - timer->deadline_ns) / timer->interval_ns;
    missed = static_cast<std::int32_t>(times < INT32_MAX ? times : INT32_MAX);
    Here().timers().Arm(timer, timer->deadline_ns + (times + 1) * timer->interval_ns);
  }
  timer->overrun = missed;
  if (timer->notify == kNotifyNone) {
    return;
  }
  LinuxSigInfo info{};
  info.signo = timer->signal;
  info.code = kSiTimer;
  info.timer.id = timer->id;
  info.timer.overrun = missed;
  info.timer.value = timer->value;
  Thread* thread = timer->notify == kNotifyThreadId ? FindThread(timer->thread) : nullptr;
  if (thread) {
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
  LinuxITimerSpec spec{};
  if (Here().timers().Armed(&timer)) {
    const std::uint64_t now = kernel::MonotonicNs();
    const std::uint64_t rest = timer.deadline_ns > now ? timer.deadline_ns - now : 1;
    spec.value = ToTimespec(static_cast<std::int64_t>(rest));
  }
  spec.interval = ToTimespec(static_cast<std::int64_t>(timer.interval_ns));
  return spec;
}

LinuxITimerVal RealSetting(const Task& task) {
  LinuxITimerVal value{};
  const IntervalTimer& timer = task.real_timer;
  if (Here().timers().Armed(&timer)) {
    const std::uint64_t now = kernel::MonotonicNs();
    value.value = ToTimeval(timer.deadline_ns > now ? timer.deadline_ns - now : 1000);
  }
  value.interval = ToTimeval(timer.interval_ns);
  return value;
}

bool ValidTimeval(const LinuxTimeval& time) {
  return time.seconds >= 0 && time.microseconds >= 0 && time.microseconds < 1'000'000;
}
std::uint64_t Nanoseconds(const LinuxTimeval& time) {
  return static_cast<std::uint64_t>(time.seconds) * kNsPerSecond +
         static_cast<std::uint64_t>(time.microseconds) * 1000;
}

}  // namespace

void ArmRealTimer(Task& task, std::uint64_t deadline_ns, std::uint64_t interval_ns) {
  task.real_timer.expired = RealTimerExpired;
  task.real_timer.interval_ns = interval_ns;
  if (deadline_ns == 0) {
    Here().timers().Disarm(&task.real_timer);
  } else {
    Here().timers().Arm(&task.real_timer, deadline_ns);
  }
}

namespace calls {

Reply Alarm(Thread& thread, U32 seconds) {
  const LinuxITimerVal old = RealSetting(*thread.task);
  ArmRealTimer(*thread.task, seconds ? DeadlineAfter(seconds * kNsPerSecond) : 0, 0);
  // Rounded, but never to zero while something was left.
  Reply left = old.value.seconds + (old.value.microseconds >= 500'000 ? 1 : 0);
  if (left == 0 && old.value.microseconds != 0) {
    left = 1;
  }
  return left;
}

Reply GetITimer(Thread& thread, U32 which, Address value) {
  if (which > 2) {
    return -kEINVAL;
  }
  const LinuxITimerVal setting = which == 0 ? RealSetting(*thread.task) : LinuxITimerVal{};
  return WriteUser(value, setting) ? 0 : -kEFAULT;
}

Reply SetITimer(Thread& thread, U32 which, Address value, Address old) {
  if (which > 2) {
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
  if (which != 0) {
    // Timers over CPU time are not served, except for turning them off.
    return Nanoseconds(next.value) == 0 ? 0 : -kENOSYS;
  }
  const LinuxITimerVal previous = RealSetting(*thread.task);
  const std::uint64_t first = Nanoseconds(next.value);
  ArmRealTimer(*thread.task, first ? DeadlineAfter(static_cast<std::int64_t>(first)) : 0,
               Nanoseconds(next.interval));
  return old == 0 || WriteUser(old, previous) ? 0 : -kEFAULT;
}

Reply TimerCreate(Thread& thread, U32 clock, Address event, Address id) {
  LinuxSigEvent request{};
  request.signal = kSIGALRM;
  if (event != 0 && !ReadUser(&request, event)) {
    return -kEFAULT;
  }
  if (MonotonicFor(clock, 1) == 0) {
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
  timer->clock = clock;
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
  timer->overrun = 0;
  if (first == 0) {
    Here().timers().Disarm(timer);
  } else {
    Here().timers().Arm(
        timer, flags & kTimerAbsolute ? MonotonicFor(timer->clock, first) : DeadlineAfter(first));
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
  return timer ? timer->overrun : -kEINVAL;
}

Reply TimerDelete(Thread& thread, I32 id) {
  PosixTimer* timer = FindTimer(*thread.task, id);
  if (!timer) {
    return -kEINVAL;
  }
  Here().timers().Disarm(timer);
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
