// The word of a lock whose waiters stand in a queue somewhere else: one bit says "held", one says
// "somebody waits"; the other 62 are the lock's owner's to use.
//
// A thread that wants to wait (1) announces it in the word, (2) under the queue's lock looks
// whether the word still says both, and only then joins the queue. A releaser clears "held" first;
// if "somebody waits" was set, it takes one waiter from the queue, under the queue's lock, and
// clears the bit there when the queue is empty. So a waiter either sees the lock free and tries
// again, or stands in the queue before the releaser looks into it. A woken waiter owns nothing yet:
// it tries again, against whoever came meanwhile.
//
// `Atomic` is a parameter for the interleaving test (tests/unit/base/wait_word_test.cc).
#pragma once

#include <atomic>
#include <cstdint>

namespace k42 {

template <template <typename> typename Atomic = std::atomic>
class BasicWaitWord {
 public:
  static constexpr unsigned kUserShift = 2;

  constexpr BasicWaitWord() = default;
  explicit constexpr BasicWaitWord(std::uint64_t user) : word_(user << kUserShift) {}

  bool TryAcquire() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & kHeld) == 0) {
      if (word_.compare_exchange_strong(word, word | kHeld, std::memory_order_acquire))
        return true;
    }
    return false;
  }
  // Step 1. False: it has become free.
  bool Announce() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & kHeld) != 0) {
      if ((word & kWaited) != 0 || word_.compare_exchange_strong(word, word | kWaited))
        return true;
    }
    return false;
  }
  // Step 2, under the queue's lock. False: try again instead.
  bool MustWait() const { return (word_.load() & (kHeld | kWaited)) == (kHeld | kWaited); }

  // True: wake somebody.
  bool Release() { return (word_.fetch_and(~kHeld) & kWaited) != 0; }
  // The queue is empty. Under its lock.
  void NobodyWaits() { word_.fetch_and(~kWaited); }

  bool held() const { return (word_.load(std::memory_order_relaxed) & kHeld) != 0; }

  // The other bits. Anybody may read them; only the holder changes them.
  std::uint64_t user() const { return word_.load(std::memory_order_acquire) >> kUserShift; }
  void SetUser(std::uint64_t user) {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_strong(word, user << kUserShift | (word & (kHeld | kWaited)),
                                          std::memory_order_release)) {
    }
  }

 private:
  static constexpr std::uint64_t kHeld = 1;
  static constexpr std::uint64_t kWaited = 2;
  Atomic<std::uint64_t> word_{0};
};

using WaitWord = BasicWaitWord<>;

}  // namespace k42
