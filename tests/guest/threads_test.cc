// Kernel threads: token semantics, order, many threads, cross-CPU wake-ups, exit and stack reuse.
#include <atomic>

#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/thread.h"

namespace k42 {
namespace {

using machine::CpuId;
using machine::Thread;

// Waits until a counter that other threads raise (and then Unblock us) has reached a value.
struct Arrivals {
  Thread* waiter = Thread::Current();
  std::atomic<std::uint32_t> count{0};
  void Arrive() {
    Thread* to_wake = waiter;  // the object may be gone once the count is complete
    count.fetch_add(1);
    to_wake->Unblock();
  }
  void WaitFor(std::uint32_t wanted) {
    while (count.load() < wanted) {
      Thread::Block();
    }
  }
};

GUEST_TEST(threads_token_before_block) {
  Thread::Current()->Unblock();
  Thread::Block();  // returns at once, or the test hangs
  Thread::Current()->Unblock();
  Thread::Current()->Unblock();
  Thread::Block();
  EXPECT(machine::InterruptsEnabled());
}

GUEST_TEST(threads_run_on_their_cpu) {
  static Arrivals* arrivals;
  static std::atomic<std::uint32_t> wrong;
  Arrivals here;
  arrivals = &here;
  wrong = 0;
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    auto made = Thread::Create(
        "where",
        [](void* expected) {
          if (machine::CurrentCpu() != reinterpret_cast<std::uintptr_t>(expected)) {
            ++wrong;
          }
          arrivals->Arrive();
        },
        reinterpret_cast<void*>(std::uintptr_t{cpu}), cpu);
    EXPECT(made.ok());
  }
  here.WaitFor(machine::CpuCount());
  EXPECT_EQ(wrong.load(), 0u);
}

GUEST_TEST(threads_run_in_order_of_creation) {
  static std::uint32_t next;
  static bool in_order;
  static Arrivals* arrivals;
  Arrivals here;
  arrivals = &here;
  next = 0;
  in_order = true;
  for (std::uintptr_t i = 0; i < 10; ++i) {
    auto made = Thread::Create(
        "ordered",
        [](void* index) {
          in_order = in_order && next == reinterpret_cast<std::uintptr_t>(index);
          ++next;  // no lock: cooperative threads of one CPU
          arrivals->Arrive();
        },
        reinterpret_cast<void*>(i), machine::CurrentCpu());
    EXPECT(made.ok());
  }
  here.WaitFor(10);
  EXPECT(in_order);
}

GUEST_TEST(threads_stacks_are_reused) {
  static Arrivals* arrivals;
  for (int round = 0; round < 40; ++round) {
    Arrivals here;
    arrivals = &here;
    for (int i = 0; i < 25; ++i) {
      const CpuId cpu = static_cast<CpuId>(i) % machine::CpuCount();
      REQUIRE(Thread::Create(
                  "short", [](void*) { arrivals->Arrive(); }, nullptr, cpu)
                  .ok());
    }
    here.WaitFor(25);
  }
}

// Two threads on different CPUs pass a ball to each other through Unblock.
GUEST_TEST(threads_ping_pong_between_cpus) {
  static std::atomic<std::uint32_t> ball;
  static std::atomic<Thread*> players[2];
  static Arrivals* arrivals;
  constexpr std::uint32_t kRounds = 2000;
  Arrivals here;
  arrivals = &here;
  ball = 0;
  for (std::uintptr_t side = 0; side < 2; ++side) {
    auto made = Thread::Create(
        "player",
        [](void* argument) {
          const auto me = reinterpret_cast<std::uintptr_t>(argument);
          players[me] = Thread::Current();
          while (players[1 - me] == nullptr) {
            Thread::Yield();
          }
          for (;;) {
            const std::uint32_t now = ball.load();
            if (now >= kRounds) {
              break;
            }
            if (now % 2 == me) {
              ball.store(now + 1);
              players[1 - me].load()->Unblock();
            } else {
              Thread::Block();
            }
          }
          arrivals->Arrive();
        },
        reinterpret_cast<void*>(side), static_cast<CpuId>(side) % machine::CpuCount());
    REQUIRE(made.ok());
  }
  here.WaitFor(2);
  EXPECT_EQ(ball.load(), kRounds);
  players[0] = players[1] = nullptr;
}

}  // namespace
}  // namespace k42
