// Deadlines of one dispatcher, earliest first: sleeps, timeouts, interval timers that were armed on
// it. The kernel is asked for one timer only, the earliest. Monotonic nanoseconds throughout.
#pragma once

#include <cstdint>

#include "user/linux/list.h"

namespace k42::personality {

class TimerQueue;

// Embedded in what waits. `expired` runs once per Arm, with the queue consistent.
struct Timer {
  ListLink<Timer> link;
  TimerQueue* queue = nullptr;  // where it was armed last
  std::uint64_t deadline_ns = 0;
  void (*expired)(Timer* timer) = nullptr;
};

class TimerQueue {
 public:
  void Arm(Timer* timer, std::uint64_t deadline_ns) {
    Disarm(timer);
    timer->queue = this;
    timer->deadline_ns = deadline_ns;
    Timer* place = timers_.first();
    while (place && place->deadline_ns <= deadline_ns) {
      place = timers_.Next(place);
    }
    timers_.InsertBefore(place, timer);
  }

  // Whichever dispatcher's queue it is in.
  static void Disarm(Timer* timer) {
    if (timer->link.linked) {
      timer->queue->timers_.Remove(timer);
    }
  }
  static bool Armed(const Timer* timer) { return timer->link.linked; }

  // 0: none.
  bool empty() const { return timers_.empty(); }
  std::uint64_t NextDeadline() const { return timers_.empty() ? 0 : timers_.first()->deadline_ns; }

  void Expire(std::uint64_t now_ns) {
    while (!timers_.empty() && timers_.first()->deadline_ns <= now_ns) {
      Timer* timer = timers_.PopFront();
      timer->expired(timer);
    }
  }

  Timer* PopFirst() { return timers_.PopFront(); }

  // In a forked child: deadlines of the parent's other threads mean nothing.
  void Clear() {
    while (timers_.PopFront()) {
    }
  }

 private:
  List<Timer, &Timer::link> timers_;
};

}  // namespace k42::personality
