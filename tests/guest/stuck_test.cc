// CPUs that do not answer, each in a way of its own: what the watchdog reports and the debug
// console shows (debug_console.py). Run one by one; some never end.
#include <atomic>

#include "base/lock_rank.h"
#include "cobj/object_system.h"
#include "guest/guest_test.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/log.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"
#include "mem/shoot_down.h"

namespace k42 {
namespace {

using machine::MonotonicNs;
using machine::Thread;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kForEver = ~0ull;

constinit std::atomic<std::uint32_t> stuck{0};
constinit std::atomic<std::uint32_t> acknowledged{0};
constinit machine::SpinLock<LockRank::kSpinTest> kept_lock;

[[gnu::noinline]] void SpinUntil(std::uint64_t end) {
  ++stuck;
  while (MonotonicNs() < end) {
    machine::Pause();
  }
}

[[gnu::noinline]] void SpinWithInterruptsOff(std::uint64_t end) {
  machine::InterruptsOff guard;
  SpinUntil(end);
}

std::uint64_t In(std::uint64_t seconds) {
  return MonotonicNs() + seconds * kSecond;
}

// Active all the time, while others of its CPU go on.
[[gnu::noinline]] void HoldGeneration(std::uint64_t end) {
  ++stuck;
  while (MonotonicNs() < end) {
    Thread::Yield();
  }
}

// On `cpu`; returns when it has begun.
void Start(const char* name, void (*body)(void*), machine::CpuId cpu) {
  const std::uint32_t before = stuck;
  REQUIRE(Thread::Create(name, body, nullptr, cpu).ok());
  while (cpu != machine::CurrentCpu() && stuck == before) {
    Thread::Yield();
  }
}

// Somebody waits for every CPU: for the grace token, and for a shoot-down. Who waits for the latter
// is active meanwhile, so the token may stay where it runs.
void AskEverybody(bool shoot_down) {
  static cobj::GraceWait wait;
  static std::atomic<bool> grace{false};
  static Thread* waiter = Thread::Current();
  wait.done = [](cobj::GraceWait*) {
    grace = true;
    waiter->Unblock();
  };
  cobj::node_objects->grace().AfterGlobal(&wait);
  if (shoot_down) {
    mem::ShootDown(
        CpuSet::FirstOf(machine::CpuCount()), [](void*) { ++acknowledged; }, nullptr);
    EXPECT_EQ(acknowledged.load(), machine::CpuCount());
  }
  while (!grace) {
    Thread::BlockExternal();
  }
}

GUEST_TEST(stuck_deaf_for_a_while) {
  Start(
      "deaf", [](void*) { SpinWithInterruptsOff(In(7)); }, 1);
  machine::Log("stuck now");
  mem::ShootDown(
      CpuSet::FirstOf(machine::CpuCount()), [](void*) { ++acknowledged; }, nullptr);
  EXPECT_EQ(acknowledged.load(), machine::CpuCount());
  const std::uint64_t end = In(1);  // for the word that it is over
  while (MonotonicNs() < end) {
    Thread::Yield();
  }
}

GUEST_TEST(stuck_busy_for_a_while) {
  Start(
      "busy", [](void*) { SpinUntil(In(7)); }, 1);
  machine::Log("stuck now");
  AskEverybody(/*shoot_down=*/true);
}

GUEST_TEST(stuck_token_for_a_while) {
  Start(
      "busy", [](void*) { SpinUntil(In(7)); }, 1);
  machine::Log("stuck now");
  AskEverybody(/*shoot_down=*/false);
}

GUEST_TEST(stuck_generation_for_a_while) {
  Start(
      "holder", [](void*) { HoldGeneration(In(2)); }, 1);
  machine::Log("stuck now");
  AskEverybody(/*shoot_down=*/true);
}

GUEST_TEST(stuck_deaf_for_ever) {
  Start(
      "deaf", [](void*) { SpinWithInterruptsOff(kForEver); }, 1);
  machine::Log("stuck now");
  AskEverybody(/*shoot_down=*/true);
}

GUEST_TEST(stuck_boot_cpu_for_ever) {
  machine::Log("stuck now");
  SpinWithInterruptsOff(kForEver);
}

GUEST_TEST(stuck_everywhere_for_ever) {
  for (machine::CpuId cpu = 1; cpu < machine::CpuCount(); ++cpu) {
    Start(
        "deaf", [](void*) { SpinWithInterruptsOff(kForEver); }, cpu);
  }
  machine::Log("stuck now");
  SpinWithInterruptsOff(kForEver);
}

GUEST_TEST(stuck_lock_for_ever) {
  Start(
      "keeper",
      [](void*) {
        const machine::SpinGuard guard(kept_lock);
        SpinUntil(kForEver);
      },
      1);
  machine::Log("stuck now");
  const machine::SpinGuard guard(kept_lock);
}

}  // namespace
}  // namespace k42
