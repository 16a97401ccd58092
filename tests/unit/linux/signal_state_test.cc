// Pending signals: what merges, what queues, in which order they are taken.
#include "user/linux/signal_state.h"

#include <gtest/gtest.h>

#include "user/linux/tickets.h"
#include "user/linux/timer_queue.h"

namespace k42::personality {
namespace {

LinuxSigInfo Info(int signal, std::uint64_t value = 0) {
  LinuxSigInfo info{};
  info.signo = signal;
  info.sender.value = value;
  return info;
}
constexpr SignalSet kAll(~0ull);

TEST(SignalActions, EachSignalThatCanHaveOneHasItsOwn) {
  SignalActions actions;
  for (int signal = 1; signal <= kSignalCount; ++signal) {
    if (!kUnblockable.Has(signal)) {
      ASSERT_EQ(actions.For(signal).handler, kSigDefault) << signal;
      actions.For(signal).handler = 1000u + static_cast<unsigned>(signal);
    }
  }
  for (int signal = 1; signal <= kSignalCount; ++signal) {
    EXPECT_EQ(actions.For(signal).handler,
              kUnblockable.Has(signal) ? kSigDefault : 1000u + static_cast<unsigned>(signal));
  }
}

TEST(PendingSignals, StandardOnesMerge) {
  PendingSignals pending;
  EXPECT_TRUE(pending.Post(Info(kSIGUSR1, 1)));
  EXPECT_FALSE(pending.Post(Info(kSIGUSR1, 2)));
  LinuxSigInfo info;
  ASSERT_TRUE(pending.Take(kAll, &info));
  EXPECT_EQ(info.sender.value, 1u);
  EXPECT_FALSE(pending.Take(kAll, &info));
}

TEST(PendingSignals, RealTimeOnesQueueInOrder) {
  PendingSignals pending;
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(pending.Post(Info(kSIGRTMIN + 2, i)));
  }
  EXPECT_TRUE(pending.Post(Info(kSIGRTMIN, 9)));
  LinuxSigInfo info;
  ASSERT_TRUE(pending.Take(kAll, &info));
  EXPECT_EQ(info.signo, kSIGRTMIN);
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(pending.Take(kAll, &info));
    EXPECT_EQ(info.sender.value, i);
  }
  EXPECT_TRUE(pending.set().empty());
}

TEST(PendingSignals, ATimerFindsItsOwnRecordUntilItIsTaken) {
  PendingSignals pending;
  const auto of_timer = [](std::int32_t id) {
    LinuxSigInfo info{};
    info.signo = kSIGRTMIN;
    info.code = kSiTimer;
    info.timer.id = id;
    return info;
  };
  EXPECT_EQ(pending.OfTimer(kSIGRTMIN, 1), nullptr);
  LinuxSigInfo queued = Info(kSIGRTMIN);
  queued.code = kSiQueue;
  queued.timer.id = 2;  // as a sender's number
  EXPECT_TRUE(pending.Post(queued));
  EXPECT_TRUE(pending.Post(of_timer(1)));
  EXPECT_EQ(pending.OfTimer(kSIGRTMIN, 2), nullptr);
  EXPECT_EQ(pending.OfTimer(kSIGRTMIN + 1, 1), nullptr);
  LinuxSigInfo* const own = pending.OfTimer(kSIGRTMIN, 1);
  ASSERT_NE(own, nullptr);
  own->timer.overrun = 7;
  LinuxSigInfo info;
  ASSERT_TRUE(pending.Take(kAll, &info));
  ASSERT_TRUE(pending.Take(kAll, &info));
  EXPECT_EQ(info.timer.overrun, 7);
  EXPECT_EQ(pending.OfTimer(kSIGRTMIN, 1), nullptr);
}

TEST(PendingSignals, TakesWhatIsAllowedAndFaultsFirst) {
  PendingSignals pending;
  (void)pending.Post(Info(kSIGHUP));
  (void)pending.Post(Info(kSIGSEGV));
  (void)pending.Post(Info(kSIGTERM));
  LinuxSigInfo info;
  ASSERT_TRUE(pending.Take(kAll, &info));
  EXPECT_EQ(info.signo, kSIGSEGV);
  ASSERT_TRUE(pending.Take(~SignalSet::Of(kSIGHUP), &info));
  EXPECT_EQ(info.signo, kSIGTERM);
  EXPECT_FALSE(pending.Take(~SignalSet::Of(kSIGHUP), &info));
  pending.Drop(SignalSet::Of(kSIGHUP));
  EXPECT_TRUE(pending.set().empty());
}

TEST(SignalActions, DefaultsAndExec) {
  SignalActions actions;
  EXPECT_TRUE(actions.Ignores(kSIGCHLD));
  EXPECT_FALSE(actions.Ignores(kSIGTERM));
  actions.For(kSIGTERM).handler = kSigIgnore;
  actions.For(kSIGCHLD).handler = 0x1000;
  ResetHandlers(actions);
  EXPECT_TRUE(actions.Ignores(kSIGTERM));
  EXPECT_EQ(actions.For(kSIGCHLD).handler, kSigDefault);
  EXPECT_EQ(DefaultActionOf(kSIGSEGV), DefaultAction::kCore);
  EXPECT_EQ(DefaultActionOf(kSIGTSTP), DefaultAction::kStop);
}

struct CountingTimer : Timer {
  int fired = 0;
};
void Count(Timer* timer) {
  ++static_cast<CountingTimer*>(timer)->fired;
}

TEST(TimerQueue, ExpiresInOrderAndOnce) {
  TimerQueue queue;
  CountingTimer a, b, c;
  a.expired = b.expired = c.expired = Count;
  EXPECT_EQ(queue.NextDeadline(), 0u);
  queue.Arm(&a, 30);
  queue.Arm(&b, 10);
  queue.Arm(&c, 20);
  EXPECT_EQ(queue.NextDeadline(), 10u);
  queue.Arm(&b, 40);
  queue.Expire(25);
  EXPECT_EQ(c.fired, 1);
  EXPECT_EQ(a.fired + b.fired, 0);
  queue.Disarm(&a);
  queue.Expire(100);
  EXPECT_EQ(a.fired, 0);
  EXPECT_EQ(b.fired, 1);
  EXPECT_TRUE(queue.empty());
}

struct FakeUser final : TicketUser {
  void TicketFired(std::uint32_t ticket) override { last = ticket; }
  std::uint32_t last = kNoTicket;
};

TEST(Tickets, EachNumberIsGivenOnceUntilReleased) {
  auto tickets = std::make_unique<Tickets>();
  FakeUser user;
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < abi::kTicketCount; ++i) {
    sum += tickets->Take(&user);
  }
  EXPECT_EQ(sum, std::uint64_t{abi::kTicketCount} * (abi::kTicketCount - 1) / 2);
  EXPECT_EQ(tickets->Take(&user), kNoTicket);
  tickets->Release(77);
  EXPECT_EQ(tickets->Take(&user), 77u);
  auto page = std::make_unique<abi::DispatcherPage>();
  page->tickets_fired[77 / 64] = 1ull << (77 % 64);
  EXPECT_TRUE(tickets->TakeFired(page.get()));
  EXPECT_EQ(user.last, 77u);
  EXPECT_FALSE(tickets->TakeFired(page.get()));
  tickets->Reset();
  tickets->FreeMemory();
}

TEST(Tickets, WatchesLeaveSomeToCalls) {
  auto tickets = std::make_unique<Tickets>();
  FakeUser user;
  std::uint32_t watches = 0;
  while (tickets->TakeForWatch(&user) != kNoTicket) ++watches;
  EXPECT_EQ(watches, abi::kTicketCount - Tickets::kForCalls);
  for (std::uint32_t i = 0; i < Tickets::kForCalls; ++i) EXPECT_NE(tickets->Take(&user), kNoTicket);
  EXPECT_EQ(tickets->Take(&user), kNoTicket);
  tickets->Release(5);
  EXPECT_EQ(tickets->TakeForWatch(&user), kNoTicket);
  EXPECT_EQ(tickets->Take(&user), 5u);
  tickets->Reset();
  tickets->FreeMemory();
}

}  // namespace
}  // namespace k42::personality
