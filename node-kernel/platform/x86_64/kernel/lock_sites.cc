#include "machine/lock_sites.h"

namespace k42::machine {

constinit LockSite lock_sites[kLockSites];
constinit std::atomic<std::uint64_t> lost_lock_waits{0};

namespace {

LockSite* SiteOf(std::uint64_t address) {
  constexpr std::uint32_t kProbes = 32;
  const std::uint64_t start = (address * 0x9e3779b97f4a7c15u) >> 40;
  for (std::uint32_t i = 0; i < kProbes; ++i) {
    LockSite& site = lock_sites[(start + i) % kLockSites];
    std::uint64_t present = site.address.load(std::memory_order_relaxed);
    if (present == address ||
        (present == 0 && site.address.compare_exchange_strong(present, address)) ||
        present == address) {
      return &site;
    }
  }
  return nullptr;
}

void Raise(std::atomic<std::uint64_t>& longest, std::uint64_t value) {
  std::uint64_t before = longest.load(std::memory_order_relaxed);
  while (before < value && !longest.compare_exchange_weak(before, value)) {
  }
}

}  // namespace

void NoteLongWait(std::uint64_t address, std::uint64_t ns) {
  LockSite* site = SiteOf(address);
  if (site == nullptr) {
    lost_lock_waits.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  site->waits.fetch_add(1, std::memory_order_relaxed);
  Raise(site->longest_wait_ns, ns);
}

void NoteHold(std::uint64_t address, std::uint64_t cycles, const HoldReason* reason) {
  if (LockSite* site = SiteOf(address); site != nullptr) {
    Raise(site->longest_hold, cycles);
    if (reason != nullptr) {
      site->reason.store(reason, std::memory_order_relaxed);
    }
  }
}

}  // namespace k42::machine
