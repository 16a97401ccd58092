// FaultWord: the life of one id of BlockedFaults, in one atomic word, so that the page's end, on
// whatever CPU, and the dispatcher, on its own, agree on when the id may serve another fault.
//
//   free     no fault has it
//   waiting  the page is on its way
//   failing  it could not be brought; user space is not told yet that the wait is over
//   failed   the same, and it was told
//   taken    as failing, and a try has learned of the failure already
//
//   free --Wait--> waiting --Came--> free
//                  waiting --Failed--> failing -> failed --TakeFailure--> free
//                                      failing --TakeFailure--> taken -> free
//
// Told means: the id's bit is set in the dispatcher's page. A failure can be taken before, by
// another thread that touches the page; but an id is free after its bit was set only, so that a bit
// is never one of an earlier fault's: whoever takes the id looks for that bit first.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::proc {

template <template <typename> class Atomic = std::atomic>
class FaultWordOver {
 public:
  // -- the dispatcher's CPU --
  bool free() const { return word_.load(std::memory_order_acquire) == kFree; }
  void Wait() { word_.store(kWaiting, std::memory_order_relaxed); }
  // It was never waited for.
  void Return() { word_.store(kFree, std::memory_order_relaxed); }
  bool has_failed() const {
    const std::uint8_t word = word_.load(std::memory_order_acquire);
    return word == kFailing || word == kFailed;
  }
  // Precondition: it has failed.
  void TakeFailure() {
    if (!Change(kFailing, kTaken))
      word_.store(kFree, std::memory_order_relaxed);
  }

  // -- the page's end; `tell` sets the bit --
  template <typename Tell>
  void Came(Tell tell) {
    tell();
    word_.store(kFree, std::memory_order_release);
  }
  template <typename Tell>
  void Failed(Tell tell) {
    word_.store(kFailing, std::memory_order_release);
    tell();
    if (!Change(kFailing, kFailed))
      word_.store(kFree, std::memory_order_release);
  }

 private:
  enum State : std::uint8_t { kFree, kWaiting, kFailing, kFailed, kTaken };
  bool Change(std::uint8_t from, std::uint8_t to) {
    return word_.compare_exchange_strong(from, to, std::memory_order_acq_rel,
                                         std::memory_order_relaxed);
  }

  Atomic<std::uint8_t> word_{kFree};
};

using FaultWord = FaultWordOver<>;

}  // namespace k42::proc
