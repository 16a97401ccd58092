#include "proc/signal_state.h"

#include <algorithm>
#include <bit>

namespace k42::proc {

bool SignalState::Add(const SignalInfo& info) {
  const std::uint64_t bit = abi::SignalBit(info.signal);
  const bool was_pending = (pending_ & bit) != 0;
  pending_ |= bit;
  if (was_pending && info.signal < abi::kSignalFirstQueued)
    return true;  // merged; the first sender's details stay
  const auto of_sender = std::count_if(queue_, queue_ + count_, [&](const SignalInfo& entry) {
    return entry.sender == info.sender;
  });
  if (count_ == kCapacity || of_sender >= kCapacity / 2)
    return !was_pending;
  queue_[count_++] = info;
  return true;
}

bool SignalState::Take(std::uint64_t allowed, SignalInfo* info) {
  const std::uint64_t candidates = pending_ & allowed;
  if (candidates == 0)
    return false;
  const auto number = static_cast<std::uint32_t>(std::countr_zero(candidates)) + 1;
  *info = {};
  info->signal = number;
  SignalInfo* const end = queue_ + count_;
  const auto same = [number](const SignalInfo& entry) { return entry.signal == number; };
  SignalInfo* found = std::find_if(queue_, end, same);
  bool more = false;
  if (found != end) {
    *info = *found;
    std::copy(found + 1, end, found);
    --count_;
    more = std::find_if(found, queue_ + count_, same) != queue_ + count_;
  }
  if (!more)
    pending_ &= ~abi::SignalBit(number);
  return true;
}

void SignalState::Drop(std::uint64_t numbers) {
  pending_ &= ~numbers;
  SignalInfo* const end = std::remove_if(queue_, queue_ + count_, [numbers](const SignalInfo& e) {
    return (numbers & abi::SignalBit(e.signal)) != 0;
  });
  count_ = static_cast<std::uint32_t>(end - queue_);
}

}  // namespace k42::proc
