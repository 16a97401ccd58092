// WaitEnd: how one waiter learns that its wait is over: a record on the waiter's stack, and whoever
// ends the wait.
//
//   waiter:  put the record where others find it; while (!record.ended()) Thread::Block();
//   ender:   take the record from there; record.End()->Unblock();
//
// The record may be gone as soon as End has stored: the waiter looks at it whenever it wakes, for
// whatever reason. So End hands out the thread, read before, and the wake-up comes last: if the
// thread has gone on by then, it gets a token that it does not need (base/wake_token.h).
//
// `Atomic` is a parameter for the interleaving tests (tests/unit/base).
#pragma once

#include <atomic>
#include <cstdint>

namespace k42 {

template <typename Thread, template <typename> typename Atomic = std::atomic>
class WaitEnd {
 public:
  explicit constexpr WaitEnd(Thread* waiter) : waiter_(waiter) {}
  WaitEnd(const WaitEnd&) = delete;
  WaitEnd& operator=(const WaitEnd&) = delete;

  Thread* waiter() const { return waiter_; }
  bool ended() const { return ended_.load(std::memory_order_acquire) != 0; }
  // Once. The caller wakes the thread, outside any spin lock.
  [[nodiscard]] Thread* End() {
    Thread* waiter = waiter_;
    ended_.store(1, std::memory_order_release);
    return waiter;
  }

 private:
  Thread* const waiter_;
  Atomic<std::uint8_t> ended_{0};
};

}  // namespace k42
