// System V semaphores and messages as they stand in their records: what operations do, and what is
// refused of what others have written there.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "user/linux/message_queue.h"
#include "user/linux/semaphore_set.h"

namespace k42::personality::calls::sysv {
namespace {

std::unique_ptr<SemaphoreSet> MakeSet(U32 count) {
  auto set = std::make_unique<SemaphoreSet>();
  std::memset(static_cast<void*>(set.get()), 0, sizeof(SemaphoreSet));
  set->count = count;
  return set;
}
Operation Change(int number, int change, bool undo = false) {
  return {static_cast<std::uint16_t>(number), static_cast<std::int16_t>(change),
          static_cast<std::int16_t>(undo ? kUndoFlag : 0)};
}

TEST(SemaphoreSet, AllOperationsOrNone) {
  auto set = MakeSet(2);
  const Operation operations[] = {Change(0, 3, true), Change(0, -1), Change(1, -1)};
  const auto outcome = set->Apply(7, operations, 3);
  EXPECT_EQ(outcome.error, 0);
  EXPECT_EQ(outcome.waits, &operations[2]);
  EXPECT_EQ(set->semaphore(0).value, 0);
  EXPECT_EQ(set->undo_count, 0u);
  set->semaphore(1).value = 1;
  EXPECT_EQ(set->Apply(7, operations, 3).waits, nullptr);
  EXPECT_EQ(set->semaphore(0).value, 2);
  EXPECT_EQ(set->semaphore(1).pid, 7);
  EXPECT_TRUE(set->UndoFor([](I32 pid) { return pid == 7; }));
  EXPECT_EQ(set->semaphore(0).value, 0);  // 2 - 3, but not below zero
  EXPECT_EQ(set->undo_count, 0u);
}

TEST(SemaphoreSet, WhatComesBackNeedsNoUndo) {
  auto set = MakeSet(1);
  for (int i = 0; i < 10000; ++i) {
    const Operation up = Change(0, 1, true), down = Change(0, -1, true);
    ASSERT_EQ(set->Apply(i, &up, 1).error, 0);
    ASSERT_EQ(set->undo_count, 1u);
    ASSERT_EQ(set->Apply(i, &down, 1).error, 0);
    ASSERT_EQ(set->undo_count, 0u);
  }
}

TEST(SemaphoreSet, NoUndoIsForgotten) {
  auto set = MakeSet(SemaphoreSet::kMost);
  U32 done = 0;
  std::int64_t error = 0;
  for (I32 pid = 1; error == 0; ++pid) {
    for (U32 i = 0; i < SemaphoreSet::kMost && error == 0; ++i, done += error == 0) {
      const Operation up = Change(static_cast<int>(i), 1, true);
      error = set->Apply(pid, &up, 1).error;
    }
  }
  EXPECT_EQ(error, -kENOMEM);  // said, and nothing done
  EXPECT_EQ(done, SemaphoreSet::kUndoMost);
  EXPECT_TRUE(set->IsValid());
  EXPECT_TRUE(set->UndoFor([](I32) { return true; }));
  for (U32 i = 0; i < SemaphoreSet::kMost; ++i) {
    EXPECT_EQ(set->semaphore(i).value, 0);
  }
}

TEST(SemaphoreSet, ASetValueIsNotUndone) {
  auto set = MakeSet(2);
  const Operation both[] = {Change(0, 4, true), Change(1, 4, true)};
  ASSERT_EQ(set->Apply(1, both, 2).error, 0);
  ASSERT_EQ(set->Apply(2, both, 2).error, 0);
  set->SetValue(0, 9, 3);
  EXPECT_EQ(set->undo_count, 2u);
  EXPECT_TRUE(set->UndoFor([](I32) { return true; }));
  EXPECT_EQ(set->semaphore(0).value, 9);
  EXPECT_EQ(set->semaphore(1).value, 0);
}

TEST(SemaphoreSet, NoMoreIsUndoneThanAValueCanBe) {
  auto set = MakeSet(1);
  const Operation down = Change(0, -32767, true);
  set->semaphore(0).value = 32767;
  EXPECT_EQ(set->Apply(1, &down, 1).error, 0);
  set->semaphore(0).value = 32767;
  EXPECT_EQ(set->Apply(1, &down, 1).error, -kERANGE);
  EXPECT_EQ(set->semaphore(0).value, 32767);
}

TEST(SemaphoreSet, NothingInARecordIsBelieved) {
  auto set = MakeSet(3);
  EXPECT_TRUE(set->HeadIsValid() && set->IsValid());
  set->count = SemaphoreSet::kMost + 1;
  EXPECT_FALSE(set->HeadIsValid());
  set->count = 3;
  set->undo_count = SemaphoreSet::kUndoMost + 1;
  EXPECT_FALSE(set->HeadIsValid());
  set->undo_count = 1;
  set->undo(0) = {1, 3, 1};
  EXPECT_FALSE(set->IsValid());
  set->undo_count = 0;
  set->waiters.count = ~0u;
  EXPECT_FALSE(set->HeadIsValid());
  EXPECT_EQ(set->waiters.Count(0, 0), I64{Waiters::kMost});
  EXPECT_FALSE(set->waiters.Enter({1, 0, 0}));  // and nothing behind the list is touched
  EXPECT_EQ(set->waiters.count, Waiters::kMost);
  set->waiters.list[3].thread = 1;
  set->waiters.count = ~0u;
  EXPECT_TRUE(set->waiters.Enter({1, 0, 0}));
  EXPECT_EQ(set->waiters.count, Waiters::kMost);
}

std::unique_ptr<MessageQueue> MakeQueue() {
  auto queue = std::make_unique<MessageQueue>();
  std::memset(static_cast<void*>(queue.get()), 0, sizeof(MessageQueue));
  queue->most = MessageQueue::kTextAtFirst;
  return queue;
}

TEST(MessageQueue, MessagesAreFoundByType) {
  auto queue = MakeQueue();
  EXPECT_EQ(queue->Find(0, false), MessageQueue::kNowhere);
  ASSERT_TRUE(queue->Put({5, 4}, "five"));
  ASSERT_TRUE(queue->Put({2, 3}, "two"));
  ASSERT_TRUE(queue->Put({3, 0}, ""));
  EXPECT_TRUE(queue->IsValid());
  EXPECT_EQ(queue->Find(0, false), 0u);
  EXPECT_EQ(queue->At(queue->Find(-4, false)).type, 2);
  EXPECT_EQ(queue->At(queue->Find(INT64_MIN, false)).type, 2);
  EXPECT_EQ(queue->At(queue->Find(5, true)).type, 2);
  EXPECT_EQ(queue->Find(9, false), MessageQueue::kNowhere);
  const U64 two = queue->Find(2, false);
  EXPECT_EQ(std::memcmp(queue->TextAt(two), "two", 3), 0);
  queue->Drop(two);
  EXPECT_TRUE(queue->IsValid());
  EXPECT_EQ(queue->count, 2u);
  EXPECT_EQ(queue->bytes, 4u);
  EXPECT_EQ(queue->At(queue->Find(3, false)).size, 0u);
}

TEST(MessageQueue, NothingInARecordIsBelieved) {
  auto good = MakeQueue();
  const std::vector<char> text(MessageQueue::kTextMost, 'x');
  for (U64 size : {U64{0}, U64{1}, U64{100}, MessageQueue::kTextMost}) {
    ASSERT_TRUE(good->Put({1, size}, text.data()));
  }
  auto bad = MakeQueue();
  const auto spoil = [&](U64 offset, U64 value) {
    std::memcpy(static_cast<void*>(bad.get()), static_cast<void*>(good.get()),
                sizeof(MessageQueue));
    std::memcpy(bad->messages + offset, &value, sizeof(value));
    return bad->HeadIsValid() && bad->IsValid();
  };
  EXPECT_FALSE(spoil(8, ~U64{0}));
  EXPECT_FALSE(spoil(8, ~U64{0} - 7));
  EXPECT_FALSE(spoil(8, MessageQueue::kTextMost + 1));
  EXPECT_FALSE(spoil(8, 16));
  EXPECT_TRUE(spoil(0, 77));
  bad->used = MessageQueue::kRoom + 1;
  EXPECT_FALSE(bad->HeadIsValid());
  // Whatever else: what is let through can be walked and emptied.
  std::mt19937_64 random(1);
  for (int round = 0; round < 20000; ++round) {
    (void)spoil(random() % good->used, random() % 3 == 0 ? random() : random() % 256);
    bad->used = random() % 2 == 0 ? good->used : random() % good->used;
    bad->count = random() % 5;
    if (!bad->HeadIsValid() || !bad->IsValid()) {
      continue;
    }
    while (bad->count != 0) {
      const U64 at = bad->Find(0, false);
      ASSERT_LT(at, bad->used);
      bad->Drop(at);
    }
    ASSERT_EQ(bad->used, 0u);
  }
}

}  // namespace
}  // namespace k42::personality::calls::sysv
