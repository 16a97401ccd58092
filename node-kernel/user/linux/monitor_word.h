// MonitorWord: who is inside, and who waits to come in: one word, so that no wake is lost.
//
//   bit 63       somebody is inside
//   bit 0..62    dispatcher n sleeps, or is about to, until it is notified
//
//   EnterOrAnnounce  in one step: comes in, or leaves word that it waits
//   Leave            goes out and takes one of those who wait off the word: the caller notifies it
//
// One that is notified tries again like everybody else: whoever comes in first is in. While anybody
// waits, each Leave notifies one, so somebody awake always tries.
//
// `Atomic` is a parameter for the interleaving test (tests/unit/linux/monitor_word_test.cc).
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

namespace k42::personality {

template <template <typename> typename Atomic = std::atomic>
class BasicMonitorWord {
 public:
  static constexpr std::uint32_t kDispatchers = 63;
  static constexpr int kNobody = -1;

  constexpr BasicMonitorWord() = default;

  bool TryEnter() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    return (word & kInside) == 0 &&
           word_.compare_exchange_strong(word, word | kInside, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  // True: it is inside, and waits no more.
  bool EnterOrAnnounce(std::uint32_t dispatcher) {
    const std::uint64_t own = std::uint64_t{1} << dispatcher;
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const bool enters = (word & kInside) == 0;
      const std::uint64_t next = enters ? (word & ~own) | kInside : word | own;
      if (word_.compare_exchange_strong(word, next, std::memory_order_acquire,
                                        std::memory_order_relaxed))
        return enters;
    }
  }
  // Whom to notify: the next one above the dispatcher that leaves, round and round.
  int Leave(std::uint32_t dispatcher) {
    const std::uint64_t above_it = ~((std::uint64_t{2} << dispatcher) - 1);
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint64_t waiters = word & ~kInside;
      const std::uint64_t above = waiters & above_it;
      const std::uint64_t from = above != 0 ? above : waiters;
      const std::uint64_t first = from & (~from + 1);
      if (word_.compare_exchange_strong(word, waiters & ~first, std::memory_order_release,
                                        std::memory_order_relaxed))
        return first == 0 ? kNobody : std::countr_zero(first);
    }
  }

 private:
  static constexpr std::uint64_t kInside = std::uint64_t{1} << 63;
  Atomic<std::uint64_t> word_{0};
};

using MonitorWord = BasicMonitorWord<>;

}  // namespace k42::personality
