// Every kind of lock under contention from every CPU: the same tests for each
// (support/lock_tests.h).
#include "guest/guest_test.h"
#include "machine/boot_info.h"
#include "machine/clock.h"
#include "machine/cpu_message.h"
#include "machine/lock_sites.h"
#include "support/lock_tests.h"
#include "symbols.h"

namespace k42 {
namespace {

using machine::Thread;

void Report(const char* kind, const char* test, const char* wrong) {
  if (wrong != nullptr) {
    machine::Log("  {}, {}: {}", kind, test, wrong);
    guest::Fail(__FILE__, __LINE__, wrong);
  }
}

// Boot option lock_rounds=N: of each thread, in the long form.
std::uint32_t Rounds() {
  std::uint32_t rounds = 0;
  for (const char digit : machine::BootOption("lock_rounds", "4000")) {
    rounds = rounds * 10 + static_cast<std::uint32_t>(digit - '0');
  }
  return rounds;
}

template <typename Lock>
void Common(const char* kind) {
  // Threads are cooperative: of two on one CPU, none finds the other inside a spin lock.
  const std::uint32_t per_cpu = test::kBlocks<Lock> ? 4 : 1;
  const std::uint32_t rounds = Rounds() * 4 / per_cpu;
  const std::uint64_t begin = machine::MonotonicNs();
  Report(kind, "exclusion", test::Excludes<Lock>(per_cpu, rounds));
  const std::uint64_t ns = machine::MonotonicNs() - begin;
  machine::Log("  {}: {} rounds, {} hand-offs, {} ns each", kind,
               std::uint64_t{rounds} * per_cpu * machine::CpuCount(), test::hand_offs.load(),
               ns / (std::uint64_t{rounds} * per_cpu * machine::CpuCount()));
  Report(kind, "tries", test::TriesDoNotWait<Lock>());
  Report(kind, "interrupts", test::KeepsTheInterruptFlag<Lock>());
  if constexpr (test::kBlocks<Lock>) {
    Report(kind, "order", test::WaitersComeInOrder<Lock>());
  }
  EXPECT_EQ(machine::SpinLocksHeld(), 0u);
}

GUEST_TEST(lock_kinds_spin) {
  Common<test::Spin>("spin");
}
GUEST_TEST(lock_kinds_irq_spin) {
  Common<test::IrqSpin>("irq spin");
}
GUEST_TEST(lock_kinds_fair) {
  Common<test::Fair>("fair");
  EXPECT(test::the_lock<test::Fair>.TryLock());
  EXPECT(test::the_lock<test::Fair>.IsHeldByCurrent());
  test::the_lock<test::Fair>.Unlock();
  EXPECT(!test::the_lock<test::Fair>.IsHeldByCurrent());
}
GUEST_TEST(lock_kinds_blocking) {
  Common<test::Blocking>("blocking");
}
GUEST_TEST(lock_kinds_bit) {
  Common<test::Bit>("bit");
  Report("bit", "bits", test::BitsStay());
}
GUEST_TEST(lock_kinds_read_write) {
  Common<test::ReadWrite>("read-write");
  Report("read-write", "sharing", test::ReadersShareWritersDoNot());
}

// A wait of more than 10 us is counted at the place that waited, and nowhere else.
template <typename Lock>
[[gnu::noinline]] void WaitHere(Lock& lock) {
  const machine::SpinGuard guard(lock);
  asm volatile("");
}

std::uint64_t LongWaitsIn(std::string_view function) {
  std::uint64_t waits = 0;
  machine::ForEachLockSite([&](const machine::LockSite& site) {
    if (machine::FindSymbol(site.address).name.find(function) != std::string_view::npos) {
      waits += site.waits;
    }
  });
  return waits;
}

// Another CPU holds the lock for 2 ms while this one takes it.
template <typename Lock>
void WaitForHolder() {
  static std::atomic<std::uint32_t> stage;
  stage = 0;
  const auto made = Thread::Create(
      "holder",
      [](void*) {
        {
          const machine::SpinGuard guard(test::the_lock<Lock>);
          stage = 1;
          const std::uint64_t until = machine::MonotonicNs() + 2'000'000;
          while (machine::MonotonicNs() < until || stage != 2) {
            machine::Pause();
          }
        }
        stage = 3;
      },
      nullptr, 1);
  REQUIRE(made.ok());
  while (stage != 1) {
    machine::Pause();
  }
  stage = 2;
  WaitHere(test::the_lock<Lock>);
  while (stage != 3) {
    Thread::Yield();
  }
}

template <typename Lock>
void LongWait() {
  if (machine::CpuCount() < 2)
    SKIP("one CPU");
  const std::uint64_t before = LongWaitsIn("WaitHere");
  // Where the host lets this CPU stand still for those 2 ms there is nothing to wait for any more.
  constexpr int kRounds = 50;
  for (int round = 0; round < kRounds && LongWaitsIn("WaitHere") == before; ++round) {
    WaitForHolder<Lock>();
  }
  EXPECT(LongWaitsIn("WaitHere") > before);
  const std::uint64_t after = LongWaitsIn("WaitHere");
  WaitHere(test::the_lock<Lock>);  // free now
  EXPECT_EQ(LongWaitsIn("WaitHere"), after);
}

GUEST_TEST(lock_long_waits_are_counted_by_site) {
  LongWait<test::Spin>();
  LongWait<test::IrqSpin>();
  machine::ForEachLockSite([](const machine::LockSite& site) {
    if (site.waits != 0) {
      machine::Log("  {} waited {} times, {} us at most", machine::FindSymbol(site.address).name,
                   site.waits.load(), site.longest_wait_ns / 1000);
    }
  });
  EXPECT_EQ(machine::lost_lock_waits.load(), 0u);
}

// Far longer than anything else: what debug kernels record as the longest. No interrupt comes, so
// it counts.
[[gnu::noinline]] void HoldHere() {
  const machine::SpinGuard guard(test::the_lock<test::IrqSpin>);
  for (int i = 0; i < 1'000'000; ++i) {
    asm volatile("");
  }
}

// For the debug console (debug_console.py), which shows both.
GUEST_TEST(stuck_after_long_waits) {
  LongWait<test::Spin>();
  HoldHere();
  machine::Log("stuck now");
  for (;;) {
    Thread::Yield();
  }
}

}  // namespace
}  // namespace k42
