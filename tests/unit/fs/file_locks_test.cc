// Advisory locks: who is in whose way, splitting, and whole files apart from ranges.
#include "fs/file_locks.h"

#include <gtest/gtest.h>

namespace k42::fs {
namespace {

const LockHolder kOne = LockHolder::Process(1);
const LockHolder kTwo = LockHolder::Process(2);

RangeLock Range(LockKind kind, std::uint64_t start, std::uint64_t length) {
  RangeLock lock{};
  lock.kind = kind;
  lock.start = start;
  lock.length = length;
  return lock;
}

TEST(FileLocks, SharedLocksMeetExclusiveOnesDoNot) {
  FileLocks locks;
  EXPECT_EQ(locks.Set(kOne, Range(LockKind::kShared, 0, 10), {}), Status::kOk);
  EXPECT_EQ(locks.Set(kTwo, Range(LockKind::kShared, 5, 10), {}), Status::kOk);
  EXPECT_EQ(locks.Set(kTwo, Range(LockKind::kExclusive, 5, 10), {}), Status::kWouldBlock);
  EXPECT_EQ(locks.Set(kTwo, Range(LockKind::kExclusive, 10, 10), {}), Status::kOk);
}

TEST(FileLocks, ReleasingTheMiddleLeavesBothEnds) {
  FileLocks locks;
  EXPECT_EQ(locks.Set(kOne, Range(LockKind::kExclusive, 0, 0), {}), Status::kOk);
  EXPECT_EQ(locks.Set(kOne, Range(LockKind::kNone, 10, 10), {}), Status::kOk);
  EXPECT_EQ(locks.Set(kTwo, Range(LockKind::kExclusive, 10, 10), {}), Status::kOk);
  EXPECT_EQ(locks.Set(kTwo, Range(LockKind::kExclusive, 9, 1), {}), Status::kWouldBlock);
  EXPECT_EQ(locks.Set(kTwo, Range(LockKind::kExclusive, 1 << 30, 1), {}), Status::kWouldBlock);
  RangeLock found = Range(LockKind::kNone, 0, 0);
  locks.Query(kTwo, Range(LockKind::kShared, 15, 100), &found);
  EXPECT_EQ(found.kind, LockKind::kExclusive);
  EXPECT_EQ(found.start, 20u);
  EXPECT_EQ(found.length, 0u);
  EXPECT_EQ(found.process, 1u);
}

TEST(FileLocks, AHolderTakesAllItsLocksAlong) {
  FileLocks locks;
  int file = 0;
  EXPECT_EQ(locks.SetWhole(LockHolder::OpenFile(&file), LockKind::kExclusive, {}), Status::kOk);
  EXPECT_EQ(locks.SetWhole(kOne, LockKind::kShared, {}), Status::kWouldBlock);
  EXPECT_EQ(locks.Set(kOne, Range(LockKind::kExclusive, 0, 0), {}), Status::kOk);  // another set
  locks.DropOwner(LockHolder::OpenFile(&file));
  EXPECT_EQ(locks.SetWhole(kOne, LockKind::kShared, {}), Status::kOk);
}

}  // namespace
}  // namespace k42::fs
