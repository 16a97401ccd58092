// The wait of one thread for one description, which lies on the thread's stack.
#pragma once

#include "user/linux/description.h"

namespace k42::personality {

struct Thread;

struct ThreadWatch final : Watch {
  explicit ThreadWatch(Thread* waiter) : Watch(true), thread(waiter) {}
  void Ready() override;
  Thread* thread;
  bool fired = false;
};

// Until `watch`, which `description` has been given, has fired: 0. -EAGAIN after the deadline (0:
// there is none); after a signal -ERESTARTSYS, or -EINTR if there is a deadline.
std::int64_t AwaitWatch(Description* description, ThreadWatch* watch, std::uint64_t deadline_ns);

}  // namespace k42::personality
