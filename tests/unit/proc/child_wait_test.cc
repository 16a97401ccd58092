// Threads that wait until a child has something to tell: all of them hear of it.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <vector>

#include "abi/dispatcher_page.h"
#include "cobj/make.h"
#include "cobj/ticket.idl.h"
#include "machine/hosted.h"
#include "support/node_fixture.h"
#include "unit/proc/task_table_fixture.h"

namespace k42::proc {
namespace {

class Sink final : public cobj::ITicketSink {
 public:
  using Interface = cobj::ITicketSink;
  explicit Sink(std::multiset<std::uint32_t>& fired) : fired_(fired) {}
  Result<std::uint32_t> Arm(std::uint32_t number) override { return number; }
  Status Fire(std::uint32_t ticket, std::int64_t, std::uint64_t) override {
    fired_.insert(ticket);
    return Status::kOk;
  }

 private:
  std::multiset<std::uint32_t>& fired_;
};

class ChildWaitTest : public TaskTableTest {
 protected:
  static constexpr std::uint32_t kThreads = 9;

  ChildWaitTest() {
    (void)test::TestNode::Get();
    sink_ = cobj::MakeShared<Sink>(fired_).value();
  }
  ~ChildWaitTest() override { EXPECT_EQ(cobj::Destroy(sink_), Status::kOk); }
  Status WaitWith(std::uint32_t caller, std::uint32_t ticket) {
    return tasks_.Wait(caller, Any(), {sink_, ticket}, &found_);
  }

  std::multiset<std::uint32_t> fired_;
  cobj::Ref<cobj::ITicketSink> sink_;
};

TEST_F(ChildWaitTest, HoweverManyWaitAllAreTold) {
  FakeHost host;
  Task* child = New(1, &host);
  for (std::uint32_t i = 0; i < kThreads; ++i) EXPECT_EQ(WaitWith(1, i), Status::kPending);
  EXPECT_TRUE(fired_.empty());
  End(child, ExitKind::kExited, 0, {});
  EXPECT_EQ(fired_.size(), kThreads);
  for (std::uint32_t i = 0; i < kThreads; ++i) EXPECT_EQ(fired_.count(i), 1u) << i;
  EXPECT_EQ(WaitWith(1, 0), Status::kOk);
  EXPECT_EQ(WaitWith(1, 0), Status::kNoChild);
}

// A wait that was given up leaves its ticket; the next one with the same number has its place.
TEST_F(ChildWaitTest, WhatWasGivenUpIsReplaced) {
  constexpr std::uint32_t kNextUse = abi::kTicketCount;
  FakeHost host;
  Task* child = New(1, &host);
  for (std::uint32_t i = 0; i < 10'000; ++i)
    EXPECT_EQ(WaitWith(1, 7 + i * kNextUse), Status::kPending);
  EXPECT_EQ(WaitWith(1, 8), Status::kPending);
  End(child, ExitKind::kExited, 0, {});
  EXPECT_EQ(fired_, (std::multiset<std::uint32_t>{8, 7 + 9'999 * kNextUse}));
}

TEST_F(ChildWaitTest, OnlySoManyWaitForOneTask) {
  FakeHost host;
  Task* child = New(1, &host);
  for (std::uint32_t i = 0; i < ChildWaiters::kMost; ++i)
    ASSERT_EQ(WaitWith(1, i * 3), Status::kPending);
  EXPECT_EQ(WaitWith(1, 1), Status::kLimitExceeded);
  EXPECT_EQ(WaitWith(1, 3 + abi::kTicketCount), Status::kPending);  // has its earlier use's place
  End(child, ExitKind::kExited, 0, {});
  EXPECT_EQ(fired_.size(), ChildWaiters::kMost);
  EXPECT_EQ(fired_.count(3), 0u);
  EXPECT_EQ(fired_.count(3 + abi::kTicketCount), 1u);
}

// More than are looked at in one piece.
TEST_F(ChildWaitTest, OneOfManyChildrenIsFound) {
  constexpr std::uint32_t kChildren = 100;
  FakeHost hosts[kChildren];
  Task* last = nullptr;
  for (FakeHost& host : hosts) last = New(1, &host);
  const std::uint32_t number = last->number;
  EXPECT_EQ(WaitWith(1, 0), Status::kPending);
  WaitRequest nobodys = Any();
  nobodys.selector = Selector::kGroup;
  nobodys.id = 4711;
  EXPECT_EQ(Wait(1, nobodys), Status::kNoChild);
  End(last, ExitKind::kExited, 7, {});
  EXPECT_EQ(fired_.size(), 1u);
  EXPECT_EQ(Wait(1, Any()), Status::kOk);
  EXPECT_EQ(found_.task, number);
  EXPECT_EQ(Wait(1, Any()), Status::kWouldBlock);
}

// A child that is stopped and continued all the time does not hold up who waits for another's end.
TEST_F(ChildWaitTest, NewsDoNotKeepALookGoing) {
  constexpr std::uint32_t kChildren = 400, kLooks = 200;
  std::vector<FakeHost> hosts(kChildren);
  for (FakeHost& host : hosts) New(1, &host);
  const std::uint32_t restless = New(1, &first_host_)->number;
  std::atomic<bool> over{false};
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    for (std::uint32_t i = 0; cpu == 1 && !over.load(); ++i)
      EXPECT_TRUE(
          tasks_.Kill(1, To(restless, i % 2 == 0 ? abi::kSignalStop : abi::kSignalContinue)).ok());
    for (std::uint32_t i = 0; cpu == 0 && i < kLooks; ++i) {
      WaitResult found;
      EXPECT_EQ(tasks_.Wait(1, Any(), {sink_, i}, &found), Status::kPending);
      EXPECT_EQ(tasks_.Wait(1, Any(), {}, &found), Status::kWouldBlock);
    }
    if (cpu == 0)
      over = true;
  });
  EXPECT_TRUE(tasks_.Kill(1, To(restless, abi::kSignalContinue)).ok());
  for (std::uint32_t i = 0; i < kLooks; ++i) EXPECT_LE(fired_.count(i), 1u);
}

// An end concerns two parents: the heir of a zombie child, and its own.
TEST_F(ChildWaitTest, AnEndThatConcernsTwoTellsAllOfBoth) {
  FakeHost parent_host, child_host, zombie_host;
  Task* parent = New(1, &parent_host);
  Task* child = New(parent->number, &child_host);
  Task* zombie = New(child->number, &zombie_host);
  End(zombie, ExitKind::kExited, 0, {});
  EXPECT_EQ(WaitWith(1, 100), Status::kPending);
  for (std::uint32_t i = 0; i < kThreads; ++i)
    EXPECT_EQ(WaitWith(parent->number, i), Status::kPending);
  End(child, ExitKind::kExited, 0, {});
  EXPECT_EQ(fired_.size(), kThreads + 1);
}

TEST_F(ChildWaitTest, AGroupThatIsStoppedTellsEveryParent) {
  FakeHost leader_host, parent_hosts[kThreads], child_hosts[kThreads];
  const std::uint32_t group = New(1, &leader_host)->number;
  ASSERT_EQ(tasks_.SetGroup(1, group, 0), Status::kOk);
  for (std::uint32_t i = 0; i < kThreads; ++i) {
    const std::uint32_t parent = New(group, &parent_hosts[i])->number;
    New(parent, &child_hosts[i]);
    EXPECT_EQ(WaitWith(parent, i), Status::kPending);
  }
  SignalInfo stop = {};
  stop.signal = abi::kSignalStop;
  tasks_.KillGroup(group, stop);
  EXPECT_EQ(fired_.size(), kThreads);
}

// One of several tasks of a process ends while a thread waits for it.
TEST_F(ChildWaitTest, WhoEndsWaitsNoLonger) {
  FakeHost parent_host, child_host;
  Task* parent = New(1, &parent_host);
  New(parent->number, &child_host);
  EXPECT_EQ(WaitWith(parent->number, 3), Status::kPending);
  End(parent, ExitKind::kExited, 0, {});
  EXPECT_EQ(fired_.count(3), 1u);
}

}  // namespace
}  // namespace k42::proc
