// The hosted machine keeps the kernel's promises, and catches those who break its rules.
#include "machine/hosted.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/cpu_message.h"
#include "machine/mutex.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42::machine {
namespace {

TEST(HostedCpu, MainThreadIsCpuZero) {
  EXPECT_EQ(CurrentCpu(), 0u);
  std::atomic<std::uint32_t> seen{0};
  hosted::RunOnAllCpus([&](CpuId cpu) {
    EXPECT_EQ(CurrentCpu(), cpu);
    seen |= 1u << cpu;
  });
  EXPECT_EQ(seen, (1u << CpuCount()) - 1);
}

TEST(HostedCpu, ThreadsOfOneCpuNeedNoLock) {
  static int counter;  // plain: TSan would see a race
  static int done;
  counter = done = 0;
  for (int i = 0; i < 4; ++i) {
    (void)Thread::Create(
        "adder",
        [](void*) {
          for (int n = 0; n < 100; ++n) {
            ++counter;
            Thread::Yield();
          }
          ++done;
        },
        nullptr, 0);
  }
  while (done < 4) Thread::Yield();
  EXPECT_EQ(counter, 400);
}

TEST(HostedCpu, UnblockBeforeBlockIsNotLost) {
  Thread::Current()->Unblock();
  Thread::Current()->Unblock();  // tokens do not add up
  Thread::Block();
  static Thread* self = Thread::Current();
  (void)Thread::Create(
      "waker", [](void*) { self->Unblock(); }, nullptr, 1);
  Thread::Block();
}

// A message's handler may have waited, and its wake-up may come when the loop idles again.
TEST(HostedCpu, ALateWakeUpOfTheLoopDoesNotTakeTheCpu) {
  static Thread* self = Thread::Current();
  static std::atomic<Thread*> loop{nullptr};
  CpuMessage message;
  message.handler = [](CpuMessage*) {
    loop = Thread::Current();
    self->Unblock();
  };
  Send(3, &message);
  while (loop == nullptr) Thread::Block();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it idles by now
  loop.load()->Unblock();
  static std::atomic<bool> ran{false};
  (void)Thread::Create(
      "another", [](void*) { ran = true; }, nullptr, 3);
  const std::uint64_t end = MonotonicNs() + 5'000'000'000;
  while (!ran && MonotonicNs() < end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(ran);
}

TEST(HostedCpu, MessagesOfOneSenderKeepTheirOrder) {
  struct Numbered : CpuMessage {
    int number;
  };
  static std::vector<int> order;
  static std::atomic<bool> all{false};
  static Thread* self = Thread::Current();
  std::vector<Numbered> messages(50);
  for (int i = 0; i < 50; ++i) {
    messages[i].number = i;
    messages[i].handler = [](CpuMessage* message) {
      EXPECT_EQ(CurrentCpu(), 2u);
      order.push_back(static_cast<Numbered*>(message)->number);
      if (order.size() == 50) {
        all = true;
        self->Unblock();
      }
    };
    Send(2, &messages[i]);
  }
  while (!all) Thread::Block();  // a late wake-up of an earlier test may end the first
  for (int i = 0; i < 50; ++i) EXPECT_EQ(order[i], i);
}

TEST(HostedCpu, TimersFireInOrderAndCanBeCancelled) {
  static std::vector<int> order;
  static std::atomic<bool> fired{false};
  static Thread* self = Thread::Current();
  Timer late, early, never;
  const std::uint64_t now = MonotonicNs();
  late.Arm(
      now + 3'000'000, [](void*) { order.push_back(2), fired = true, self->Unblock(); }, nullptr);
  early.Arm(
      now + 1'000'000, [](void*) { order.push_back(1); }, nullptr);
  never.Arm(
      now + 2'000'000, [](void*) { order.push_back(9); }, nullptr);
  EXPECT_TRUE(never.Cancel());
  EXPECT_FALSE(never.Cancel());
  while (!fired) Thread::Block();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(HostedLocks, MutexExcludesAcrossCpus) {
  static Mutex<LockRank::kMutexTest> lock;
  static int counter = 0;
  hosted::RunOnAllCpus([](CpuId) {
    for (int i = 0; i < 500; ++i) {
      const MutexGuard guard(lock);
      ++counter;
    }
  });
  EXPECT_EQ(counter, static_cast<int>(500 * CpuCount()));
}

using HostedLocksDeath = ::testing::Test;

TEST(HostedLocksDeath, WrongOrderAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  SpinLock<LockRank::kFrames> inner;
  SpinLock<LockRank::kRoot> outer;
  EXPECT_DEATH((inner.Lock(), outer.Lock()), "lock rank 100 taken while rank 152 is held");
}

TEST(HostedLocksDeath, BlockingUnderASpinLockAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  SpinLock<LockRank::kSpinTest> lock;
  EXPECT_DEATH((lock.Lock(), Thread::Block()), "blocks while holding a spin lock");
}

TEST(HostedLocksDeath, BlockingWithInterruptsOffAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Mutex<LockRank::kMutexTest> lock;
  EXPECT_DEATH((DisableInterrupts(), lock.Lock()), "interrupts off");
}

TEST(HostedLocksDeath, ReleasingAStrangersLockAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  SpinLock<LockRank::kSpinTest> lock;
  EXPECT_DEATH(lock.Unlock(), "does not hold it");
}

}  // namespace
}  // namespace k42::machine
