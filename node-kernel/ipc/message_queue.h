// MessageQueue: asynchronous messages for one dispatcher: a bounded ring, and the senders that
// found it full, each of whom is to be told once that there is room.
//
//   Push   kFull: the sender may wait (AddWaiter) and try again when told. kFirst: the queue was
//          empty, so the receiver is to be woken; it takes all there is before it sleeps again.
//   Take   a message, and how many waiters are to be told: one for the room that it made, all if
//          nothing is left, because then nobody else's Take will tell them.
//   TakeWaiter   who is told next. One at a time, so that the owner's lock is held for short.
//
// Locking: its owner's. `Waiter` is what is told (a ticket); pure, tested on its own.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace k42::ipc {

struct Message {
  std::uint64_t cookie = 0;
  std::uint64_t identity = 0;
  std::uint64_t words[4] = {};
};

template <typename Waiter>
class MessageQueue {
 public:
  static constexpr std::uint32_t kMessages = 64;
  static constexpr std::uint32_t kWaiters = 32;

  enum class Pushed { kFirst, kMore, kFull };

  Pushed Push(const Message& message) {
    if (count_ == kMessages)
      return Pushed::kFull;
    messages_[(first_ + count_) % kMessages] = message;
    return count_++ == 0 ? Pushed::kFirst : Pushed::kMore;
  }
  // Precondition: Push has just said kFull. False: too many wait already.
  bool AddWaiter(const Waiter& waiter) {
    if (waiting_ == kWaiters)
      return false;
    waiters_[(first_waiter_ + waiting_++) % kWaiters] = waiter;
    return true;
  }

  // False: there is none. `tell`: so many waiters are to be told.
  bool Take(Message* message, std::uint32_t* tell) {
    *tell = 0;
    if (count_ == 0)
      return false;
    *message = messages_[first_];
    first_ = (first_ + 1) % kMessages;
    --count_;
    *tell = count_ == 0 ? waiting_ : waiting_ != 0 ? 1 : 0;
    return true;
  }
  // False: nobody waits.
  bool TakeWaiter(Waiter* waiter) {
    if (waiting_ == 0)
      return false;
    *waiter = waiters_[first_waiter_];
    first_waiter_ = (first_waiter_ + 1) % kWaiters;
    --waiting_;
    return true;
  }
  std::uint32_t count() const { return count_; }

 private:
  Message messages_[kMessages];
  Waiter waiters_[kWaiters] = {};
  std::uint32_t first_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t first_waiter_ = 0;
  std::uint32_t waiting_ = 0;
};

}  // namespace k42::ipc
