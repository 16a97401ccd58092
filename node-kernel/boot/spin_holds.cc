#include "boot/spin_holds.h"

#include "machine/boot_info.h"
#include "machine/lock_sites.h"
#include "machine/log.h"
#include "machine/spin_lock.h"
#include "symbols.h"

namespace k42::boot {

using machine::LockSite;
using machine::Log;

namespace {

// Orders nothing.
machine::SpinLock<LockRank::kSpinTest> for_nothing;

// What the recording itself costs within a hold.
[[gnu::noinline]] void HoldForNothing() {
  for (int i = 0; i < 3; ++i) {
    const machine::SpinGuard guard(for_nothing);
    asm volatile("");
  }
}

void Judge(const LockSite& site, std::uint64_t limit, SpinHolds* found) {
  const std::uint64_t held = site.longest_hold;
  if (held == 0)
    return;
  ++found->sites;
  if (limit == 0 || held <= found->overhead + limit)
    return;
  const machine::SymbolAt at = machine::FindSymbol(site.address);
  const machine::HoldReason* reason = site.reason.load();
  if (reason != nullptr && held <= found->overhead + reason->most) {
    ++found->explained;
    Log("  held {} of {} instructions: {}: {}", held - found->overhead, reason->most, at.name,
        reason->why);
  } else {
    ++found->longer;
    Log("  HELD {} instructions, {} allowed: {}", held - found->overhead,
        reason != nullptr ? reason->most : limit, at.name);
  }
}

}  // namespace

std::uint64_t SpinHoldLimit() {
  std::uint64_t limit = 0;
  for (const char digit : machine::BootOption("holds", "0"))
    limit = limit * 10 + static_cast<std::uint64_t>(digit - '0');
  return limit;
}

SpinHolds ReportSpinHolds() {
  const std::uint64_t limit = SpinHoldLimit();
  SpinHolds found;
  HoldForNothing();
  machine::ForEachLockSite([&](const LockSite& site) {
    if (machine::FindSymbol(site.address).name.ends_with("HoldForNothing"))
      found.overhead = site.longest_hold;
  });
  machine::ForEachLockSite([&](const LockSite& site) { Judge(site, limit, &found); });
  Log("  {} sites, {} held longer than {} with a stated reason, {} without (recording costs {})",
      found.sites, found.explained, limit, found.longer, found.overhead);
  return found;
}

}  // namespace k42::boot
