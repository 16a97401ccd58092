// The armed timers of one CPU, earliest first: a pairing heap through the timers themselves (insert
// and cancel are cheap, and most timers are cancelled). Owner only, thread context; the interrupt
// handler merely sets kWorkTimer.
#pragma once

#include <cstdint>

#include "machine/timer.h"

namespace k42::machine {

class TimerQueue {
 public:
  constexpr TimerQueue() = default;

  void Insert(Timer* timer);
  void Remove(Timer* timer);

  // Runs the callbacks that are due, then sets the hardware to the next deadline. A callback may
  // arm and cancel timers, and may block: the rest is then run by this CPU's next loop.
  void RunDue();

 private:
  static Timer* Merge(Timer* a, Timer* b);
  static Timer* MergeChildren(Timer* first);
  void SetHardware(std::uint64_t now);

  Timer* root_ = nullptr;
  std::uint64_t hardware_deadline_ = ~0ull;  // what the LAPIC timer is set to
};

}  // namespace k42::machine
