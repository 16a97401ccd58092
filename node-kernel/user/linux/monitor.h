// The monitor: one dispatcher at a time runs the personality's own code; programs run on all of
// them at once. So everything in the personality is as if there were one processor, and needs no
// lock of its own (README, "How it runs").
//
// A dispatcher goes in at each entry from its program and goes out where it returns to it, where it
// idles, and for the time of a call of the kernel that may be long (Outside): the calls that may
// block their thread, after which callers look again anyway. Threads are switched inside: what is
// inside is the dispatcher.
//
// Who finds it taken spins for a moment, then sleeps in the kernel until it is notified: the one
// inside may be stopped by the kernel's scheduler at any time, and nobody burns a slice over that.
// Events that come meanwhile are put by (Dispatcher::PutEventsBy).
//
// While the process has one dispatcher nothing is written: a test of one byte each way.
#pragma once

#include "user/linux/monitor_word.h"

namespace k42::personality {

class Monitor {
 public:
  void Enter() {
    if (shared_) [[unlikely]]
      EnterShared();
  }
  void Leave() {
    if (shared_) [[unlikely]]
      LeaveShared();
  }
  bool shared() const { return shared_; }

  // There will be a second dispatcher; the caller is inside.
  void Share();
  // In a forked child: the caller, who is inside, is alone.
  void Unshare();

 private:
  void EnterShared();
  void LeaveShared();

  bool shared_ = false;
  alignas(64) MonitorWord word_;
};

extern Monitor monitor;

// Out of the monitor for a scope.
class Outside {
 public:
  Outside() { monitor.Leave(); }
  ~Outside() { monitor.Enter(); }
  Outside(const Outside&) = delete;
  Outside& operator=(const Outside&) = delete;
};

}  // namespace k42::personality
