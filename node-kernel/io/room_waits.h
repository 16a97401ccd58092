// RoomWaits: the senders of local datagrams that found no room, and whose room they wait for.
//
// A sender is not waiting, or waits for one receiver. Beginning to wait clears bits of its ready
// list, and the end of waiting sets them: when the receiver has taken something or takes no more,
// when the sender has sent after all, or waits for another receiver, or is closed. What it is told
// is to try again, not that there is room: others may be quicker.
//
// Nothing is missed: a sender begins to wait before its last try, so that room made after that try
// finds it here, and room made before serves the try.
//
// Locking: one lock for the node, of streams' rank; no stream's lock is held by who calls.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/intrusive_list.h"
#include "io/ready_list.h"
#include "machine/mutex.h"

namespace k42::io {

class RoomWaits {
 public:
  class Receiver;

  // Of one sender. Precondition of its end: it does not wait.
  class Sender : public ListLink<> {
   public:
    explicit Sender(ReadyList& list) : list_(list) {}

   private:
    friend class RoomWaits;
    ReadyList& list_;
    std::uint32_t bits_ = 0;
    // Written under the lock; null: it does not wait. Its own thread may look without.
    std::atomic<Receiver*> receiver_{nullptr};
  };

  // Of one receiver. Precondition of its end: nobody waits.
  class Receiver {
   private:
    friend class RoomWaits;
    IntrusiveList<Sender> senders_;
    std::atomic<std::uint32_t> count_{0};  // written under the lock
  };

  // `bits`: of the sender's ready list, which nobody else changes.
  void Begin(Sender& sender, Receiver& receiver, std::uint32_t bits);
  void End(Sender& sender);
  // Those that wait now try again.
  void Release(Receiver& receiver) {
    if (receiver.count_.load(std::memory_order_acquire) != 0) [[unlikely]] {
      ReleaseAll(receiver);
    }
  }

 private:
  void ReleaseAll(Receiver& receiver);
  void EndLocked(Sender& sender, Wakeups& wakeups) K42_REQUIRES(lock_);

  machine::Mutex<LockRank::kStream> lock_;
};

}  // namespace k42::io
