// The word of a lock whose waiters may halt their CPU: free, held, or held with somebody to kick.
//
// A waiter (1) publishes in its own slot which word it waits for, (2) calls Announce, (3) with
// interrupts off halts only while MustWait, (4) clears its slot and tries again. A releaser for
// whom Release says so kicks (interrupts) every CPU whose slot names this word. No wake is lost:
// the slot is written before the word says "kick", and read after the word was exchanged away; a
// kick that comes between (3)'s test and the halt is pending and ends the halt. `Atomic` is a
// parameter for the interleaving test (tests/unit/base/kick_word_test.cc).
#pragma once

#include <atomic>
#include <cstdint>

namespace k42 {

template <template <typename> typename Atomic = std::atomic>
class KickWord {
 public:
  constexpr KickWord() = default;

  bool TryAcquire() {
    std::uint32_t expected = kFree;
    return word_.load(std::memory_order_relaxed) == kFree &&
           word_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire);
  }
  // True: kick the waiters.
  bool Release() { return word_.exchange(kFree) == kHeldKick; }

  void Announce() {
    std::uint32_t expected = kHeld;
    word_.compare_exchange_strong(expected, kHeldKick);
  }
  bool MustWait() const { return word_.load() == kHeldKick; }
  bool held() const { return word_.load(std::memory_order_relaxed) != kFree; }

 private:
  enum : std::uint32_t { kFree, kHeld, kHeldKick };
  Atomic<std::uint32_t> word_{kFree};
};

}  // namespace k42
