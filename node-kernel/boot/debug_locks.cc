#include "base/assert.h"
#include "boot/debug_commands.h"
#include "boot/debug_print.h"
#include "machine/lock_sites.h"
#include "symbols.h"

namespace k42::boot {
namespace {

using machine::LockSite;

// A total order: where most was waited first, then where most was held.
bool ComesBefore(const LockSite& a, const LockSite& b) {
  if (a.waits != b.waits)
    return a.waits > b.waits;
  if (a.longest_hold != b.longest_hold)
    return a.longest_hold > b.longest_hold;
  return a.address < b.address;
}

// The first behind `last`, of all if that is null; null: there is none.
const LockSite* NextSite(const LockSite* last) {
  const LockSite* next = nullptr;
  machine::ForEachLockSite([&](const LockSite& site) {
    if ((last == nullptr || ComesBefore(*last, site)) &&
        (next == nullptr || ComesBefore(site, *next)))
      next = &site;
  });
  return next;
}

}  // namespace

// A place that both waited and held stands here twice where the kernel records holds: the addresses
// are of two calls in it.
void ShowLocks(std::string_view word) {
  constexpr std::uint64_t kMost = 20;
  std::uint64_t left = DebugNumber(word).value_or(kMost);
  for (const LockSite* site = nullptr; left != 0 && (site = NextSite(site)) != nullptr; --left) {
    const machine::SymbolAt at = machine::FindSymbol(site->address);
    DebugPrint("  {4} long waits, up to {} us; held up to {} cycles: ", site->waits.load(),
               site->longest_wait_ns / 1000, site->longest_hold.load());
    DebugPrint("{}", at.name);
    DebugPrint("+{x}\n", at.offset);
  }
  std::uint32_t sites = 0;
  std::uint64_t waits = 0;
  machine::ForEachLockSite([&](const LockSite& site) {
    ++sites;
    waits += site.waits;
  });
  DebugPrint("  {} places, {} waits of over {} us, {} more at places that found no room\n", sites,
             waits, machine::kLongWaitNs / 1000, machine::lost_lock_waits.load());
  if constexpr (!kDebugChecks)
    DebugPrint("  how long locks are held is recorded by debug kernels only\n");
}

}  // namespace k42::boot
