// Spin locks and mutexes under contention from every CPU.
#include <atomic>

#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/mutex.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"

namespace k42 {
namespace {

using machine::CpuId;
using machine::Thread;

constexpr std::uint32_t kRounds = 3000;
constinit machine::SpinLock<LockRank::kSpinTest> spin_lock;
constinit machine::IrqSpinLock<LockRank::kSpinTest> irq_lock;
constinit machine::Mutex<LockRank::kMutexTest> mutex;
std::uint64_t counter;
std::atomic<std::uint32_t> arrived;
Thread* waiter;

void RunOnAllCpus(std::uint32_t threads_per_cpu, void (*body)()) {
  static void (*run)();
  run = body;
  waiter = Thread::Current();
  counter = 0;
  arrived = 0;
  const std::uint32_t total = threads_per_cpu * machine::CpuCount();
  for (std::uint32_t i = 0; i < total; ++i) {
    REQUIRE(Thread::Create(
                "contender",
                [](void*) {
                  run();
                  ++arrived;
                  waiter->Unblock();
                },
                nullptr, i % machine::CpuCount())
                .ok());
  }
  while (arrived < total) {
    Thread::Block();
  }
}

GUEST_TEST(spin_lock_excludes) {
  RunOnAllCpus(1, [] {
    for (std::uint32_t i = 0; i < kRounds; ++i) {
      machine::SpinGuard guard(spin_lock);
      ++counter;
    }
  });
  EXPECT_EQ(counter, std::uint64_t{kRounds} * machine::CpuCount());
  EXPECT_EQ(machine::SpinLocksHeld(), 0u);
}

GUEST_TEST(irq_spin_lock_excludes_and_restores_interrupts) {
  RunOnAllCpus(1, [] {
    for (std::uint32_t i = 0; i < kRounds; ++i) {
      machine::SpinGuard guard(irq_lock);
      ++counter;
    }
    EXPECT(machine::InterruptsEnabled());
  });
  EXPECT_EQ(counter, std::uint64_t{kRounds} * machine::CpuCount());
}

GUEST_TEST(mutex_excludes_across_yields) {
  RunOnAllCpus(4, [] {
    for (std::uint32_t i = 0; i < 200; ++i) {
      machine::MutexGuard guard(mutex);
      const std::uint64_t before = counter;
      if (i % 8 == 0) {
        Thread::Yield();  // others of this CPU run into the held mutex and wait
      }
      counter = before + 1;
    }
  });
  EXPECT_EQ(counter, std::uint64_t{200} * 4 * machine::CpuCount());
}

GUEST_TEST(mutex_try_lock) {
  EXPECT(mutex.TryLock());
  EXPECT(mutex.IsHeldByCurrent());
  mutex.Unlock();
  EXPECT(!mutex.IsHeldByCurrent());
}

}  // namespace
}  // namespace k42
