// RequestCount (K42: RequestCountWithStop): how many faults are inside a region, and a way for a
// changer to wait until none is.
//
// States of the word: running (count n), stopped (bit 31, count n), drained (stopped, n = 0).
// Enter runs under the address space's lock, having seen that the range is not closed; Stop and
// Resume while it is closed; Leave at any time. Whoever moves the word from "stopped, 1" to drained
// signals, so exactly one signal follows a Stop that said false.
#pragma once

#include <atomic>
#include <cstdint>

#include "mem/wake_up.h"

namespace k42::mem {

template <template <typename> typename Atomic, typename Waker>
class BasicRequestCount {
 public:
  constexpr explicit BasicRequestCount(std::uint32_t inside = 0) : word_(inside) {}
  // Precondition: not stopped (the changer's range keeps new requests out).
  void Enter() { word_.fetch_add(1, std::memory_order_acquire); }
  void Leave() {
    if (word_.fetch_sub(1, std::memory_order_acq_rel) == (kStopped | 1)) {
      drained_->Signal();
    }
  }
  // True: nobody is inside. False: `drained` will be signalled when the last one has left.
  bool Stop(Waker* drained) {
    drained_ = drained;
    return word_.fetch_or(kStopped, std::memory_order_acq_rel) == 0;
  }
  void Resume() { word_.store(0, std::memory_order_release); }

 private:
  static constexpr std::uint32_t kStopped = 1u << 31;
  Atomic<std::uint32_t> word_;
  Waker* drained_ = nullptr;
};

using RequestCount = BasicRequestCount<std::atomic, WakeUp>;

}  // namespace k42::mem
