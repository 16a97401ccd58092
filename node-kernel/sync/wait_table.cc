#include "sync/wait_table.h"

namespace k42::sync {

constinit WaitTable wait_table;

void WaitTable::Wait(WaitWord& word) {
  if (!word.Announce())
    return;
  Bucket& bucket = BucketOf(word);
  Waiter waiter{&word, nullptr, WaitEnd<machine::Thread>(machine::Thread::Current())};
  {
    const machine::SpinGuard guard(bucket.lock);
    if (!word.MustWait())
      return;
    (bucket.first == nullptr ? bucket.first : bucket.last->next) = &waiter;
    bucket.last = &waiter;
  }
  while (!waiter.wait.ended()) machine::Thread::Block();
}

void WaitTable::WakeOne(WaitWord& word) {
  Bucket& bucket = BucketOf(word);
  Waiter* found = nullptr;
  {
    const machine::SpinGuard guard(bucket.lock);
    Waiter* before = nullptr;
    found = bucket.first;
    while (found != nullptr && found->word != &word) {
      before = found;
      found = found->next;
    }
    const Waiter* another = found == nullptr ? nullptr : found->next;
    while (another != nullptr && another->word != &word) another = another->next;
    if (another == nullptr)
      word.NobodyWaits();
    if (found == nullptr)
      return;
    (before == nullptr ? bucket.first : before->next) = found->next;
    if (bucket.last == found)
      bucket.last = before;
  }
  found->wait.End()->Unblock();
}

}  // namespace k42::sync
