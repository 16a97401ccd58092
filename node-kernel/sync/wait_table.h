// WaitTable: where the threads stand that wait for a lock of one word.
//
// The lock has no room for a queue, so the queues are here, found by the lock's address. Records
// lie on the waiters' stacks. Two locks may share a bucket: its list then holds both's waiters, and
// each looks for its own.
#pragma once

#include <cstdint>

#include "base/wait_end.h"
#include "base/wait_word.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"

namespace k42::sync {

class WaitTable {
 public:
  constexpr WaitTable() = default;

  // Until `word` was released after this call began, or may have been. The caller then tries again.
  void Wait(WaitWord& word);
  // After word.Release() returned true: wakes the waiter of `word` that came first.
  void WakeOne(WaitWord& word);

 private:
  struct Waiter {
    const WaitWord* word;
    Waiter* next;
    WaitEnd<machine::Thread> wait;
  };
  struct alignas(64) Bucket {
    machine::SpinLock<LockRank::kMutexQueue> lock;
    Waiter* first K42_GUARDED_BY(lock) = nullptr;
    Waiter* last K42_GUARDED_BY(lock) = nullptr;
  };
  static constexpr std::uint32_t kBuckets = 64;

  Bucket& BucketOf(const WaitWord& word) {
    // Neighbouring words of one structure, and equal members of neighbours, both spread.
    const auto address = reinterpret_cast<std::uintptr_t>(&word) >> 3;
    return buckets_[(address * 0x9e3779b97f4a7c15u) >> 58];
  }

  Bucket buckets_[kBuckets];
};

extern constinit WaitTable wait_table;

}  // namespace k42::sync
