// How long spin locks are held, by site: debug kernels record the longest hold of each. In a kernel
// whose instructions are counted (run.py --icount) a cycle is an instruction, and boot option
// holds=N makes more than N a failure, where the place does not say why (HoldReason), and more than
// what its reason allows.
#include "guest/guest_test.h"
#include "machine/boot_info.h"
#include "machine/lock_sites.h"
#include "support/lock_tests.h"
#include "symbols.h"

namespace k42 {
namespace {

// What the recording itself costs within a hold.
[[gnu::noinline]] void HoldForNothing() {
  for (int i = 0; i < 3; ++i) {
    const machine::SpinGuard guard(test::the_lock<test::Spin>);
    asm volatile("");
  }
}

GUEST_TEST(spin_locks_are_held_for_a_few_instructions) {
  if constexpr (!kDebugChecks) {
    machine::Log("  no debug kernel: not recorded");
    return;
  }
  HoldForNothing();
  std::uint64_t overhead = 0;
  machine::ForEachLockSite([&](const machine::LockSite& site) {
    if (machine::FindSymbol(site.address).name.ends_with("HoldForNothing")) {
      overhead = site.longest_hold;
    }
  });
  std::uint64_t limit = 0;
  for (const char digit : machine::BootOption("holds", "0")) {
    limit = limit * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  std::uint32_t sites = 0, explained = 0, longer = 0;
  machine::ForEachLockSite([&](const machine::LockSite& site) {
    const std::uint64_t held = site.longest_hold;
    if (held == 0) {
      return;
    }
    ++sites;
    if (limit == 0 || held <= overhead + limit) {
      return;
    }
    const machine::SymbolAt at = machine::FindSymbol(site.address);
    const machine::HoldReason* reason = site.reason.load();
    if (reason != nullptr && held <= overhead + reason->most) {
      ++explained;
      machine::Log("  held {} of {} instructions: {}: {}", held - overhead, reason->most, at.name,
                   reason->why);
    } else {
      ++longer;
      machine::Log("  HELD {} instructions, {} allowed: {}", held - overhead,
                   reason != nullptr ? reason->most : limit, at.name);
    }
  });
  machine::Log(
      "  {} sites, {} held longer than {} with a stated reason, {} without (recording costs {})",
      sites, explained, limit, longer, overhead);
  EXPECT(sites != 0);
  EXPECT(overhead != 0);
  EXPECT_EQ(longer, 0u);
}

}  // namespace
}  // namespace k42
