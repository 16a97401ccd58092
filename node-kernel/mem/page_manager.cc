#include "mem/page_manager.h"

namespace k42::mem {

using machine::SpinGuard;

void PageManager::Add(Reclaimable* cache) {
  const SpinGuard guard(lock_);
  caches_.PushBack(cache);
  ++count_;
}

void PageManager::Remove(Reclaimable* cache) {
  const SpinGuard guard(lock_);
  caches_.Remove(cache);
  --count_;
}

std::uint64_t PageManager::Reclaim(std::uint64_t pages) {
  std::uint64_t rounds = 0;
  {
    const SpinGuard guard(lock_);
    rounds = 2 * count_;  // the first visit may only take the second chances away
  }
  std::uint64_t found = 0;
  while (found < pages && rounds-- > 0) {
    Reclaimable* cache = nullptr;
    {
      const SpinGuard guard(lock_);
      cache = caches_.PopFront();
      if (cache == nullptr) {
        break;
      }
      caches_.PushBack(cache);
      if (!cache->TryPin()) {
        continue;
      }
    }
    found += cache->Reclaim(pages - found);
    cache->Unpin();
  }
  return found;
}

}  // namespace k42::mem
