// WakeToken: a thread's Block and Unblock, which pass one token.
//
//   kRunning --Give--> kToken --Block: goes on at once--> kRunning
//   kRunning --Block--> kBlocked --Give: the giver makes it ready--> kRunning
//
// Tokens do not add up, and one may be left over from an earlier wait: a thread blocks in a loop
// around what it waits for, and a waker writes that first and gives the token then. No wake is
// lost: Block looks and changes in one step; and a Give that finds a token gives it once more, by a
// locked instruction. A mere look would not do: it could come while the waker's write still is in
// its store buffer, and the thread could then take the old token, look for the write in vain, and
// block with nobody left to wake it.
//
// `Atomic` is a parameter for the interleaving test (tests/unit/base/wake_token_test.cc).
#pragma once

#include <atomic>
#include <cstdint>

namespace k42 {

template <template <typename> typename Atomic = std::atomic>
class BasicWakeToken {
 public:
  constexpr BasicWakeToken() = default;

  // The thread itself. True: it is blocked; it gives up the CPU and goes on when it has been made
  // ready. False: it has taken a token. Between a true result and giving up the CPU nobody may make
  // it ready on this CPU: interrupts are off.
  bool Block() {
    std::uint32_t expected = kRunning;
    if (word_.compare_exchange_strong(expected, kBlocked))
      return true;
    word_.exchange(kRunning);
    return false;
  }
  // Any CPU. True: the thread was blocked, and the caller makes it ready. Nobody else does: it is
  // not seen as blocked again before it has run.
  bool Give() {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_strong(word, word == kBlocked ? kRunning : kToken)) {
    }
    return word == kBlocked;
  }

  // A thread that has not run yet, before others know it: the first Give starts it.
  void StartBlocked() { word_.store(kBlocked, std::memory_order_relaxed); }
  bool blocked() const { return word_.load(std::memory_order_relaxed) == kBlocked; }

 private:
  enum : std::uint32_t { kRunning, kToken, kBlocked };
  Atomic<std::uint32_t> word_{kRunning};
};

using WakeToken = BasicWakeToken<>;

}  // namespace k42
