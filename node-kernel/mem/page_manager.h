// PageManager (K42: PM): finds frames when there are none, by asking the caches of files for clean
// pages in turn (second chance within each cache, round robin among them).
//
// First version: one for the node. K42's hierarchy (per process, per user) would be PageManagers
// that register with one another in the same way.
//
// Locking: lock_ guards the list. A cache is asked with a reference held and no lock.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"
#include "machine/spin_lock.h"

namespace k42::mem {

// A cache that can give up clean pages.
class Reclaimable : public ListLink<> {
 public:
  // False if it is being destroyed: then it must not be asked.
  virtual bool TryPin() = 0;
  virtual void Unpin() = 0;
  // Frees up to `pages` frames; how many it did. Thread context, no lock held; waits for CPUs only.
  virtual std::uint64_t Reclaim(std::uint64_t pages) = 0;

 protected:
  ~Reclaimable() = default;
};

class PageManager {
 public:
  static constexpr std::uint64_t kBatch = 64;  // frames worth one round of shoot-downs

  void Add(Reclaimable* cache);
  void Remove(Reclaimable* cache);
  // Thread context, no spin lock held. How many frames were freed: 0 means there is nothing left.
  std::uint64_t Reclaim(std::uint64_t pages = kBatch);

 private:
  machine::SpinLock<LockRank::kPageLists> lock_;
  IntrusiveList<Reclaimable> caches_ K42_GUARDED_BY(lock_);
  std::uint64_t count_ K42_GUARDED_BY(lock_) = 0;
};

}  // namespace k42::mem
