// Where spin locks cost time: a counter by site for every wait of more than 10 us, and, in debug
// kernels, the longest hold by site. A site is an address in the function that took the lock.
//
// Written only where a wait was long already (and by debug kernels); read by whoever reports it.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/contract/hold_reason.h"

namespace k42::machine {

inline constexpr std::uint64_t kLongWaitNs = 10'000;

struct LockSite {
  std::atomic<std::uint64_t> address{0};
  std::atomic<std::uint64_t> waits{0};             // longer than kLongWaitNs
  std::atomic<std::uint64_t> longest_wait_ns{0};   // of these
  std::atomic<std::uint64_t> longest_hold{0};      // cycles; debug kernels
  std::atomic<const HoldReason*> reason{nullptr};  // why so long, if it said so; debug kernels
};

inline constexpr std::uint32_t kLockSites = 512;
extern constinit LockSite lock_sites[kLockSites];
// Waits that found no place in the table.
extern constinit std::atomic<std::uint64_t> lost_lock_waits;

// Any context.
void NoteLongWait(std::uint64_t site, std::uint64_t ns);
void NoteHold(std::uint64_t site, std::uint64_t cycles, const HoldReason* reason);

// function(const LockSite&) for each site there is.
template <typename Function>
void ForEachLockSite(Function function) {
  for (const LockSite& site : lock_sites) {
    if (site.address.load(std::memory_order_relaxed) != 0) {
      function(site);
    }
  }
}

}  // namespace k42::machine
