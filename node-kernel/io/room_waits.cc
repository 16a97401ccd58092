#include "io/room_waits.h"

namespace k42::io {

void RoomWaits::Begin(Sender& sender, Receiver& receiver, std::uint32_t bits) {
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  EndLocked(sender, wakeups);  // another thread of its may wait for another receiver
  sender.bits_ = bits;
  sender.receiver_.store(&receiver, std::memory_order_relaxed);
  receiver.senders_.PushBack(&sender);
  receiver.count_.fetch_add(1, std::memory_order_relaxed);
  sender.list_.Update(bits, 0, 0, wakeups);
}

void RoomWaits::End(Sender& sender) {
  if (sender.receiver_.load(std::memory_order_relaxed) == nullptr) {
    return;
  }
  Wakeups wakeups;
  machine::MutexGuard guard(lock_);
  EndLocked(sender, wakeups);
}

// One at a time: however many they are, nobody waits long for the lock.
void RoomWaits::ReleaseAll(Receiver& receiver) {
  for (std::uint32_t left = receiver.count_.load(std::memory_order_relaxed); left != 0; --left) {
    Wakeups wakeups;
    machine::MutexGuard guard(lock_);
    Sender* const sender = receiver.senders_.Front();
    if (sender == nullptr) {
      return;
    }
    EndLocked(*sender, wakeups);
  }
}

void RoomWaits::EndLocked(Sender& sender, Wakeups& wakeups) {
  Receiver* const receiver = sender.receiver_.load(std::memory_order_relaxed);
  if (receiver == nullptr) {
    return;
  }
  sender.receiver_.store(nullptr, std::memory_order_relaxed);
  sender.Unlink();
  receiver->count_.fetch_sub(1, std::memory_order_relaxed);
  sender.list_.Update(sender.bits_, sender.bits_, 0, wakeups);
}

}  // namespace k42::io
