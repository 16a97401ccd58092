// CallWord: one protected call's life, in one atomic word, so that its end, the server's end and
// the caller's end meet exactly once.
//
//   free       nobody's
//   filling    taken by a caller, which copies its arguments
//   queued     at the server's dispatcher, not begun
//   running    the server is at it
//   done       result or error is there; the caller's to collect and give back
//   abandoned  the caller has gone; whoever ends the call gives it back
//
//   free --Fill--> filling --Queue--> queued --Begin--> running --End--> done --Free--> free
//   filling --Run--> running;  queued, running --Fail--> done;  queued, running --Abandon-->
//   abandoned
//
// The caller may be on another CPU: End, Begin, Fail and Abandon are compare-and-swaps, and of two
// that exclude each other one wins. `Atomic` is a parameter for the interleaving test.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::ipc {

template <template <typename> typename Atomic = std::atomic>
class BasicCallWord {
 public:
  enum State : std::uint32_t { kFree, kFilling, kQueued, kRunning, kDone, kAbandoned };

  State state() const { return static_cast<State>(word_.load(std::memory_order_acquire)); }

  // By the one who has the slot.
  void Fill() { word_.store(kFilling, std::memory_order_relaxed); }
  void Queue() { word_.store(kQueued, std::memory_order_release); }
  void Run() { word_.store(kRunning, std::memory_order_relaxed); }
  void Free() { word_.store(kFree, std::memory_order_relaxed); }

  // By the server's CPU. False: abandoned, it is the server's to give back.
  bool Begin() { return Change(kQueued, kRunning); }
  bool End() { return Change(kRunning, kDone); }

  // By the server's CPU, which ends. The state it had; kQueued and kRunning: it is done now.
  State Fail() {
    std::uint32_t word = word_.load(std::memory_order_acquire);
    while (word == kQueued || word == kRunning) {
      if (word_.compare_exchange_strong(word, kDone, std::memory_order_acq_rel,
                                        std::memory_order_acquire))
        break;
    }
    return static_cast<State>(word);
  }

  // By the caller's CPU. False: it is done, the caller's to give back.
  bool Abandon() {
    std::uint32_t word = word_.load(std::memory_order_acquire);
    while (word == kQueued || word == kRunning) {
      if (word_.compare_exchange_strong(word, kAbandoned, std::memory_order_acq_rel,
                                        std::memory_order_acquire))
        return true;
    }
    return false;
  }

 private:
  bool Change(std::uint32_t from, std::uint32_t to) {
    return word_.compare_exchange_strong(from, to, std::memory_order_acq_rel,
                                         std::memory_order_acquire);
  }

  Atomic<std::uint32_t> word_{kFree};
};

using CallWord = BasicCallWord<>;

}  // namespace k42::ipc
