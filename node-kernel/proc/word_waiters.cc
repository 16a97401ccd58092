#include "proc/word_waiters.h"

#include "proc/ticket_number.h"

namespace k42::proc {

using machine::SpinGuard;

WordWaiters::Bucket& WordWaiters::BucketOf(const mem::WordKey& key) {
  const std::uint64_t hash = key.object + (key.offset >> 2) * 0x9e37'79b9'7f4a'7c15;
  return buckets_[(hash ^ hash >> 32) % kBuckets];
}

Status WordWaiters::Add(const mem::WordKey& key, std::uint32_t mask, const cobj::Ticket& ticket) {
  Waiter* waiter = TRY(allocator_.Make<Waiter>());
  waiter->key = key;
  waiter->mask = mask;
  waiter->ticket = ticket;
  (void)Remove(key, ticket);  // left over from a wait that was given up
  Bucket& bucket = BucketOf(key);
  SpinGuard guard(bucket.lock);
  bucket.waiters.PushBack(waiter);
  return Status::kOk;
}

bool WordWaiters::Remove(const mem::WordKey& key, const cobj::Ticket& ticket) {
  Bucket& bucket = BucketOf(key);
  Waiter* found = nullptr;
  {
    SpinGuard guard(bucket.lock);
    for (Waiter& waiter : bucket.waiters) {
      if (SameNumber(waiter.ticket, ticket)) {
        found = &waiter;
        IntrusiveList<Waiter>::Remove(found);
        break;
      }
    }
  }
  if (found == nullptr)
    return false;
  allocator_.Destroy(found);
  return true;
}

std::uint32_t WordWaiters::Wake(const mem::WordKey& key, std::uint32_t count, std::uint32_t mask) {
  Bucket& bucket = BucketOf(key);
  std::uint32_t woken = 0;
  while (woken < count) {
    Waiter* found = nullptr;
    {
      SpinGuard guard(bucket.lock);
      for (Waiter& waiter : bucket.waiters) {
        if (waiter.key == key && (waiter.mask & mask) != 0) {
          found = &waiter;
          IntrusiveList<Waiter>::Remove(found);
          break;
        }
      }
    }
    if (found == nullptr)
      break;
    woken += found->ticket.Fire(Status::kOk, 0) == Status::kOk ? 1 : 0;
    allocator_.Destroy(found);
  }
  return woken;
}

void WordWaiters::Forget(cobj::Ref<cobj::ITicketSink> sink) {
  for (Bucket& bucket : buckets_) {
    for (;;) {
      Waiter* found = nullptr;
      {
        SpinGuard guard(bucket.lock);
        for (Waiter& waiter : bucket.waiters) {
          if (waiter.ticket.sink == sink) {
            found = &waiter;
            IntrusiveList<Waiter>::Remove(found);
            break;
          }
        }
      }
      if (found == nullptr)
        break;
      allocator_.Destroy(found);
    }
  }
}

}  // namespace k42::proc
