// Advisory locks: who is in whose way, splitting, whole files apart from ranges, waits that were
// given up, and the end of processes.
#include "fs/file_locks.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "abi/dispatcher_page.h"
#include "cobj/make.h"
#include "cobj/ticket.idl.h"
#include "mem/heap.h"
#include "support/node_fixture.h"
#include "unit/proc/task_table_fixture.h"

namespace k42::fs {
namespace {

// Tickets with a bit of kGivenUp are nobody's any more.
constexpr std::uint32_t kGivenUp = 1 << 10;

class Sink final : public cobj::ITicketSink {
 public:
  using Interface = cobj::ITicketSink;
  Result<std::uint32_t> Arm(std::uint32_t number) override { return number; }
  Status Fire(std::uint32_t ticket, std::int64_t, std::uint64_t) override {
    fired.push_back(ticket);
    if (at_fire) {
      at_fire();
    }
    return (ticket & kGivenUp) != 0 ? Status::kAlreadyCompleted : Status::kOk;
  }

  static inline std::vector<std::uint32_t> fired;
  static inline std::function<void()> at_fire;
};

RangeLock Range(LockKind kind, std::uint64_t start, std::uint64_t length) {
  RangeLock lock{};
  lock.kind = kind;
  lock.start = start;
  lock.length = length;
  return lock;
}
const RangeLock kWriteAll = Range(LockKind::kExclusive, 0, 0);
const RangeLock kReadAll = Range(LockKind::kShared, 0, 0);
const RangeLock kFree = Range(LockKind::kNone, 0, 0);

class FileLocksTest : public proc::TaskTableTest {
 protected:
  FileLocksTest() {
    (void)test::TestNode::Get();
    sink_ = cobj::MakeShared<Sink>().value();
    Sink::fired.clear();
    Sink::at_fire = nullptr;
    locks_ = mem::New<FileLocks>().value();
    for (int i = 0; i < 3; ++i) {
      tasks[i] = New(1, &hosts_[i]);
      holders[i] = LockHolder::Process(tasks[i]->number);
      EXPECT_EQ(FollowProcess(*locks_, tasks_, tasks[i]->number), Status::kOk);
    }
  }
  ~FileLocksTest() override {
    locks_->FileGone();
    locks_->DropReference();
    EXPECT_EQ(cobj::Destroy(sink_), Status::kOk);
  }
  Status Set(int who, const RangeLock& lock) { return locks_->Set(holders[who], lock, {}); }
  Status Wait(int who, const RangeLock& lock, std::uint32_t ticket) {
    return locks_->Set(holders[who], lock, {sink_, ticket});
  }
  // What the other sees of a lock of all.
  LockKind Seen(int who) {
    RangeLock found = kFree;
    locks_->Query(holders[who], kWriteAll, &found);
    return found.kind;
  }

  FileLocks* locks_ = nullptr;
  proc::FakeHost hosts_[3];
  proc::Task* tasks[3] = {};
  LockHolder holders[3];
  cobj::Ref<cobj::ITicketSink> sink_;
};

TEST_F(FileLocksTest, SharedLocksMeetExclusiveOnesDoNot) {
  EXPECT_EQ(Set(0, Range(LockKind::kShared, 0, 10)), Status::kOk);
  EXPECT_EQ(Set(1, Range(LockKind::kShared, 5, 10)), Status::kOk);
  EXPECT_EQ(Set(1, Range(LockKind::kExclusive, 5, 10)), Status::kWouldBlock);
  EXPECT_EQ(Set(1, Range(LockKind::kExclusive, 10, 10)), Status::kOk);
}

TEST_F(FileLocksTest, ReleasingTheMiddleLeavesBothEnds) {
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);
  EXPECT_EQ(Set(0, Range(LockKind::kNone, 10, 10)), Status::kOk);
  EXPECT_EQ(Set(1, Range(LockKind::kExclusive, 10, 10)), Status::kOk);
  EXPECT_EQ(Set(1, Range(LockKind::kExclusive, 9, 1)), Status::kWouldBlock);
  EXPECT_EQ(Set(1, Range(LockKind::kExclusive, 1 << 30, 1)), Status::kWouldBlock);
  RangeLock found = kFree;
  locks_->Query(holders[1], Range(LockKind::kShared, 15, 100), &found);
  EXPECT_EQ(found.kind, LockKind::kExclusive);
  EXPECT_EQ(found.start, 20u);
  EXPECT_EQ(found.length, 0u);
  EXPECT_EQ(found.process, holders[0].process);
}

TEST_F(FileLocksTest, AHolderTakesAllItsLocksAlong) {
  int file = 0;
  const LockHolder opening = LockHolder::OpenFile(&file), other = LockHolder::OpenFile(&file + 1);
  EXPECT_EQ(locks_->SetWhole(opening, LockKind::kExclusive, {}), Status::kOk);
  EXPECT_EQ(locks_->SetWhole(other, LockKind::kShared, {}), Status::kWouldBlock);
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);  // another set
  locks_->DropOwner(opening);
  EXPECT_EQ(locks_->SetWhole(other, LockKind::kShared, {}), Status::kOk);
  EXPECT_EQ(Seen(1), LockKind::kExclusive);
}

TEST_F(FileLocksTest, WhatIsReleasedGoesToWhoWaits) {
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);
  EXPECT_EQ(Wait(1, kWriteAll, 1), Status::kPending);
  EXPECT_EQ(Set(0, kFree), Status::kOk);
  EXPECT_EQ(Sink::fired, (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(Set(0, kWriteAll), Status::kWouldBlock);
}

TEST_F(FileLocksTest, AWaitThatWasGivenUpGetsNothing) {
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);
  EXPECT_EQ(Wait(1, kWriteAll, 1 | kGivenUp), Status::kPending);
  EXPECT_EQ(Wait(2, kWriteAll, 2), Status::kPending);
  EXPECT_EQ(Set(0, kFree), Status::kOk);
  EXPECT_EQ(Sink::fired, (std::vector<std::uint32_t>{1 | kGivenUp, 2}));
  RangeLock found = kFree;
  locks_->Query(holders[0], kWriteAll, &found);
  EXPECT_EQ(found.process, holders[2].process);
  EXPECT_EQ(Set(2, kFree), Status::kOk);
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);
}

// It keeps what it had before it wanted more.
TEST_F(FileLocksTest, AnExclusiveLockThatWasGivenUpLeavesTheSharedOne) {
  EXPECT_EQ(Set(0, kReadAll), Status::kOk);
  EXPECT_EQ(Set(1, kReadAll), Status::kOk);
  EXPECT_EQ(Wait(1, kWriteAll, 1 | kGivenUp), Status::kPending);
  EXPECT_EQ(Set(0, kFree), Status::kOk);
  EXPECT_EQ(Seen(0), LockKind::kShared);
}

TEST_F(FileLocksTest, WhatIsPromisedIsInTheWayOfOthers) {
  Status meanwhile = Status::kOk;
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);
  EXPECT_EQ(Wait(1, kWriteAll, 1), Status::kPending);
  Sink::at_fire = [&] { meanwhile = Set(2, kWriteAll); };
  EXPECT_EQ(Set(0, kFree), Status::kOk);
  EXPECT_EQ(meanwhile, Status::kWouldBlock);
}

TEST_F(FileLocksTest, WhoGoesWhileItIsToldHoldsNothing) {
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);
  EXPECT_EQ(Wait(1, kWriteAll, 1), Status::kPending);
  Sink::at_fire = [&] { locks_->DropOwner(holders[1]); };
  EXPECT_EQ(Set(0, kFree), Status::kOk);
  EXPECT_EQ(Seen(0), LockKind::kNone);
}

TEST_F(FileLocksTest, AWithdrawnWaitIsNoReasonForADeadlock) {
  EXPECT_EQ(Set(0, Range(LockKind::kExclusive, 0, 1)), Status::kOk);
  EXPECT_EQ(Set(1, Range(LockKind::kExclusive, 1, 1)), Status::kOk);
  EXPECT_EQ(Wait(1, Range(LockKind::kExclusive, 0, 1), 1), Status::kPending);
  EXPECT_EQ(Wait(0, Range(LockKind::kExclusive, 1, 1), 2), Status::kDeadlock);
  locks_->Withdraw({sink_, 1});
  EXPECT_EQ(Wait(0, Range(LockKind::kExclusive, 1, 1), 2), Status::kPending);
}

// What would be a long search is none: each of many waits for the next one, in many ways at once.
TEST_F(FileLocksTest, ASearchForADeadlockEnds) {
  constexpr std::uint32_t kHolders = 18, kWays = 10;
  proc::FakeHost hosts[kHolders];
  LockHolder ring[kHolders];
  for (std::uint32_t i = 0; i < kHolders; ++i) {
    ring[i] = LockHolder::Process(New(1, &hosts[i])->number);
    ASSERT_EQ(FollowProcess(*locks_, tasks_, ring[i].process), Status::kOk);
    ASSERT_EQ(locks_->Set(ring[i], Range(LockKind::kExclusive, i, 1), {}), Status::kOk);
  }
  for (std::uint32_t i = 0; i + 1 < kHolders; ++i) {
    for (std::uint32_t way = 0; way < kWays; ++way) {
      EXPECT_EQ(locks_->Set(ring[i], Range(LockKind::kExclusive, i + 1, 1),
                            {sink_, (i * kWays + way) | kGivenUp}),
                Status::kPending);
    }
  }
  EXPECT_EQ(Wait(0, Range(LockKind::kExclusive, 0, 1), 512), Status::kPending);
  for (const LockHolder& each : ring) locks_->DropOwner(each);
}

// Linux does not look for them.
TEST_F(FileLocksTest, OpenFilesWaitForEachOther) {
  int file = 0;
  const LockHolder one = LockHolder::OpenFile(&file), other = LockHolder::OpenFile(&file + 1);
  const RangeLock first = Range(LockKind::kExclusive, 0, 1),
                  second = Range(LockKind::kExclusive, 1, 1);
  EXPECT_EQ(locks_->Set(one, first, {}), Status::kOk);
  EXPECT_EQ(locks_->Set(other, second, {}), Status::kOk);
  EXPECT_EQ(locks_->Set(one, second, {sink_, 1 | kGivenUp}), Status::kPending);
  EXPECT_EQ(locks_->Set(other, first, {sink_, 2 | kGivenUp}), Status::kPending);
  locks_->DropOwner(one);
  locks_->DropOwner(other);
}

TEST_F(FileLocksTest, OneTicketWaitsOnce) {
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);
  for (std::uint32_t use = 0; use < 100; ++use) {
    EXPECT_EQ(Wait(1, kWriteAll, (1 + use * abi::kTicketCount) | kGivenUp), Status::kPending);
  }
  EXPECT_EQ(Set(0, kFree), Status::kOk);
  EXPECT_EQ(Sink::fired.size(), 1u);
}

TEST_F(FileLocksTest, LocksEndWithTheirProcess) {
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);
  EXPECT_EQ(Wait(1, kWriteAll, 1), Status::kPending);
  End(tasks[0], proc::ExitKind::kKilled, 9, {});
  EXPECT_EQ(Sink::fired, (std::vector<std::uint32_t>{1}));
  EXPECT_EQ(Set(1, kFree), Status::kOk);
  EXPECT_EQ(Seen(1), LockKind::kNone);
}

TEST_F(FileLocksTest, WhoseEndWouldNotBeNoticedGetsNoLock) {
  locks_->DropOwner(holders[0]);
  EXPECT_EQ(Set(0, kWriteAll), Status::kNotFound);
  EXPECT_EQ(FollowProcess(*locks_, tasks_, holders[0].process), Status::kOk);
  EXPECT_EQ(Set(0, kWriteAll), Status::kOk);
  EXPECT_EQ(FollowProcess(*locks_, tasks_, 4711), Status::kNoProcess);
}

}  // namespace
}  // namespace k42::fs
