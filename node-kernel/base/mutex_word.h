// The word of a blocking lock that is handed over: its holder's address, and a bit that says
// whether somebody waits in the lock's queue; 0 is free.
//
//   0 --TryAcquire--> holder --Announce--> holder|waiters --HandOver--> next holder (|waiters)
//   holder --TryRelease--> 0
//
// The bit is set and cleared under the queue's lock only, together with the queue: a releaser whose
// TryRelease fails finds somebody in the queue. And only that lock's owner changes a word that has
// the bit, so HandOver is a plain store; the queue's lock and the new holder's WaitEnd publish it.
//
// `Atomic` is a parameter for the interleaving test (tests/unit/base/mutex_word_test.cc).
#pragma once

#include <atomic>
#include <cstdint>

namespace k42 {

template <template <typename> typename Atomic = std::atomic>
class BasicMutexWord {
 public:
  using Holder = std::uintptr_t;  // even, not 0

  constexpr BasicMutexWord() = default;

  bool TryAcquire(Holder self) {
    Holder expected = 0;
    return word_.compare_exchange_strong(expected, self, std::memory_order_acquire);
  }
  // False: somebody waits.
  bool TryRelease(Holder self) {
    Holder expected = self;
    return word_.compare_exchange_strong(expected, 0, std::memory_order_release);
  }
  bool IsHeldBy(Holder self) const {
    return (word_.load(std::memory_order_relaxed) & ~kWaiters) == self;
  }

  // -- under the queue's lock --
  // True: the word says that somebody waits; the caller joins the queue before it unlocks it.
  // False: the lock has become free and is the caller's now.
  bool Announce(Holder self) {
    Holder word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (word == 0) {
        if (word_.compare_exchange_strong(word, self, std::memory_order_acquire))
          return false;
      } else if ((word & kWaiters) != 0 ||
                 word_.compare_exchange_strong(word, word | kWaiters, std::memory_order_relaxed)) {
        return true;
      }
    }
  }
  // The holder, after TryRelease failed. `more`: others still wait.
  void HandOver(Holder next, bool more) {
    word_.store(more ? next | kWaiters : next, std::memory_order_relaxed);
  }

 private:
  static constexpr Holder kWaiters = 1;
  Atomic<Holder> word_{0};
};

using MutexWord = BasicMutexWord<>;

}  // namespace k42
