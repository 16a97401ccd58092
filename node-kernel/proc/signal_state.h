// SignalState: what is pending for one task. Plain data under the task's lock.
//
// A number is pending at most once, except from kSignalFirstQueued on, where each send that found
// room in the queue counts. Entries of the queue tell who sent; a signal whose entry found no room
// is still pending, without details. No sender may fill more than half of a queue.
#pragma once

#include <cstdint>

#include "abi/signal.h"
#include "proc/process.types.h"

namespace k42::proc {

class SignalState {
 public:
  std::uint64_t pending() const { return pending_; }

  // False: a queued signal found no room and was dropped (it merges with one that is pending).
  bool Add(const SignalInfo& info);
  // The lowest allowed number; false if there is none.
  bool Take(std::uint64_t allowed, SignalInfo* info);
  void Drop(std::uint64_t numbers);

 private:
  static constexpr std::uint32_t kCapacity = 32;
  static_assert(kCapacity <= abi::kSignalQueueMax);

  std::uint64_t pending_ = 0;
  std::uint32_t count_ = 0;
  SignalInfo queue_[kCapacity];
};

}  // namespace k42::proc
