// Timers: deadline, order, cancel, re-arming from a callback, on every CPU.
#include <atomic>

#include "guest/guest_test.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42 {
namespace {

using machine::MonotonicNs;
using machine::Thread;
using machine::Timer;

constexpr std::uint64_t kMs = 1'000'000;

GUEST_TEST(timer_fires_not_before_its_deadline) {
  struct Wait {
    Thread* thread = Thread::Current();
    std::uint64_t fired_at = 0;
  } wait;
  Timer timer;
  const std::uint64_t deadline = MonotonicNs() + 5 * kMs;
  timer.Arm(
      deadline,
      [](void* argument) {
        auto* w = static_cast<Wait*>(argument);
        w->fired_at = MonotonicNs();
        w->thread->Unblock();
      },
      &wait);
  while (wait.fired_at == 0) {
    Thread::Block();
  }
  EXPECT(wait.fired_at >= deadline);
  EXPECT(wait.fired_at < deadline + 500 * kMs);
  EXPECT(!timer.armed());
}

GUEST_TEST(timers_fire_in_order_of_deadline) {
  constexpr int kTimers = 64;
  static int fired[kTimers];
  static int count;
  static Thread* waiter;
  count = 0;
  waiter = Thread::Current();
  Timer timers[kTimers];
  const std::uint64_t start = MonotonicNs() + 2 * kMs;
  static int indices[kTimers];
  for (int i = 0; i < kTimers; ++i) {
    indices[i] = i;
    const auto position = static_cast<std::uint64_t>(i * 37 % kTimers);
    timers[i].Arm(
        start + position * 10'000,
        [](void* index) {
          fired[count++] = *static_cast<int*>(index);
          if (count == kTimers / 2) {
            waiter->Unblock();
          }
        },
        &indices[i]);
  }
  for (int i = 0; i < kTimers; i += 2) {
    EXPECT(timers[i].Cancel());
    EXPECT(!timers[i].Cancel());
  }
  while (count < kTimers / 2) {
    Thread::Block();
  }
  for (int i = 1; i < kTimers / 2; ++i) {
    EXPECT(fired[i - 1] * 37 % kTimers < fired[i] * 37 % kTimers);
  }
}

GUEST_TEST(timer_rearms_itself_on_every_cpu) {
  struct Ticker {
    Timer timer;
    int ticks = 0;
    Thread* waiter = nullptr;
    std::atomic<bool> done{false};
    static void Tick(void* argument) {
      auto* self = static_cast<Ticker*>(argument);
      if (++self->ticks < 5) {
        self->timer.Arm(MonotonicNs() + kMs / 2, Tick, self);
      } else {
        Thread* to_wake = self->waiter;
        self->done = true;
        to_wake->Unblock();
      }
    }
  };
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    Ticker ticker;
    ticker.waiter = Thread::Current();
    REQUIRE(Thread::Create(
                "ticker", [](void* argument) { Ticker::Tick(argument); }, &ticker, cpu)
                .ok());
    while (!ticker.done) {
      Thread::Block();
    }
    EXPECT_EQ(ticker.ticks, 5);
  }
}

}  // namespace
}  // namespace k42
