// HandleCount: how many handles name an object that lives as long as handles do (cobj.Counted).
//
// States: no handle yet -> counting -> gone. The way back from gone is barred: whoever comes by a
// reference whose last handle was dropped meanwhile is refused, and the object ends once.
// Locking: none; one atomic word. `Atomic` is a parameter for the interleaving test.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"

namespace k42::cobj {

template <template <typename> typename Atomic = std::atomic>
class BasicHandleCount {
 public:
  // kDeleted: the last handle has gone.
  Status Add() {
    std::uint32_t count = count_.load(std::memory_order_relaxed);
    do {
      if (count == kGone)
        return Status::kDeleted;
    } while (!count_.compare_exchange_strong(count, count + 1, std::memory_order_relaxed,
                                             std::memory_order_relaxed));
    return Status::kOk;
  }
  bool IsOne() const { return count_.load(std::memory_order_relaxed) == 1; }
  // True, once: that was the last one, the object is to end. One drop too many is no end.
  bool Drop() {
    std::uint32_t count = count_.load(std::memory_order_relaxed);
    do {
      if (count == kGone || count == 0)
        return false;
    } while (!count_.compare_exchange_strong(count, count == 1 ? kGone : count - 1,
                                             std::memory_order_acq_rel, std::memory_order_relaxed));
    return count == 1;
  }

 private:
  static constexpr std::uint32_t kGone = ~0u;
  Atomic<std::uint32_t> count_{0};
};

using HandleCount = BasicHandleCount<>;

}  // namespace k42::cobj
