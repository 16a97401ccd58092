// WordWaiters: who waits for a word in shared memory (Process.WaitWord), by what the word is called
// in everybody's address space. One table per node.
//
// A waiter is an entry with a ticket. Waking fires tickets; one whose operation was cancelled, or
// whose dispatcher has gone, fires in vain and does not count. Such stale entries are dropped when
// they are met, when the same ticket waits again, and when the dispatcher ends.
//
// Locking: one spin lock per bucket; tickets are fired with it dropped.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/intrusive_list.h"
#include "cobj/ticket.h"
#include "machine/spin_lock.h"
#include "mem/address_space.h"

namespace k42::proc {

class WordWaiters {
 public:
  explicit WordWaiters(Allocator& allocator) : allocator_(allocator) {}

  Status Add(const mem::WordKey& key, std::uint32_t mask, const cobj::Ticket& ticket);
  // False: it was not there any more (woken).
  bool Remove(const mem::WordKey& key, const cobj::Ticket& ticket);
  std::uint32_t Wake(const mem::WordKey& key, std::uint32_t count, std::uint32_t mask);
  void Forget(cobj::Ref<cobj::ITicketSink> sink);

 private:
  static constexpr std::uint32_t kBuckets = 64;

  struct Waiter : ListLink<> {
    mem::WordKey key;
    std::uint32_t mask = 0;
    cobj::Ticket ticket;
  };
  struct Bucket {
    machine::SpinLock<LockRank::kWaitQueue> lock;
    IntrusiveList<Waiter> waiters K42_GUARDED_BY(lock);
  };

  Bucket& BucketOf(const mem::WordKey& key);

  Allocator& allocator_;
  Bucket buckets_[kBuckets];
};

}  // namespace k42::proc
