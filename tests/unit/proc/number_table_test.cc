// The numbers of tasks and threads: each is given once, walks see them all.
#include "proc/number_table.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

#include "machine/hosted.h"
#include "mem/heap.h"
#include "proc/task.h"

namespace k42::proc {
namespace {

Result<std::uint32_t> Take(NumberTable& table, Task* task, bool is_thread) {
  const std::uint32_t number = TRY(table.Reserve());
  EXPECT_EQ(table.Find(number).task, nullptr);
  table.Publish(number, task, is_thread);
  return number;
}

// Walks go over every number once, in order, tasks and threads apart; checked against a plain set.
TEST(NumberTable, WalksMatchASet) {
  NumberTable table(mem::TheHeap());
  Task task;
  std::mt19937 random(7);
  std::set<std::uint32_t> used[2];
  for (int step = 0; step < 2'000; ++step) {
    const bool is_thread = random() % 2 != 0;
    if (random() % 5 < 3) {
      // Many at once, so that the numbers lie chunks apart.
      const std::uint32_t number = Take(table, &task, is_thread).value();
      used[is_thread].insert(number);
      for (int i = 0; i < 200 && step % 50 == 0; ++i) table.Free(Take(table, &task, true).value());
    } else if (!used[is_thread].empty()) {
      auto victim = used[is_thread].lower_bound(random() % table.limit());
      victim = victim == used[is_thread].end() ? used[is_thread].begin() : victim;
      table.Free(*victim);
      used[is_thread].erase(victim);
    }
    if (step % 20 != 0)
      continue;
    for (const bool kind : {false, true}) {
      std::vector<std::uint32_t> walked;
      for (std::uint32_t at = 0; (at = table.Next(at, kind)) != 0;) walked.push_back(at);
      EXPECT_EQ(walked, std::vector<std::uint32_t>(used[kind].begin(), used[kind].end()));
      const std::uint32_t from = random() % table.limit();
      const auto next = used[kind].upper_bound(from);
      EXPECT_EQ(table.Next(from, kind), next == used[kind].end() ? 0 : *next);
    }
  }
}

// Every number but 0 can be had; then none, and the one that comes back.
TEST(NumberTable, CpusTakeTurnsAndEachNumberIsGivenOnce) {
  NumberTable table(mem::TheHeap());
  Task task;
  const auto take_on = [&](machine::CpuId cpu) {
    std::uint32_t number = 0;
    machine::hosted::RunOn(cpu, [&] { number = Take(table, &task, false).ValueOr(0); });
    return number;
  };
  // As long as its turn lasts a CPU has the next number, whatever others take meanwhile.
  EXPECT_EQ(take_on(0), NumberTable::kFirst);
  EXPECT_EQ(take_on(1), NumberTable::kTurn);
  EXPECT_EQ(take_on(0), NumberTable::kFirst + 1);
  EXPECT_EQ(take_on(1), NumberTable::kTurn + 1);
  // To the last one, with turns that others have filled meanwhile.
  std::vector<bool> seen(NumberTable::kMax);
  for (const std::uint32_t number : {1u, 2u, NumberTable::kTurn, NumberTable::kTurn + 1})
    seen[number] = true;
  std::uint32_t taken = 4;
  for (machine::CpuId cpu = 0; taken < NumberTable::kMax - 1; cpu ^= 1) {
    machine::hosted::RunOn(cpu, [&] {
      for (std::uint32_t i = 0; i < 1000 && taken < NumberTable::kMax - 1; ++i, ++taken) {
        const std::uint32_t number = Take(table, &task, false).ValueOr(0);
        ASSERT_TRUE(number != 0 && number < NumberTable::kMax && !seen[number]) << number;
        seen[number] = true;
      }
    });
  }
  EXPECT_EQ(Take(table, &task, false).status(), Status::kLimitExceeded);
  for (const std::uint32_t number : {70'000u, 70'001u, 5u}) {
    table.Free(number);
    EXPECT_EQ(take_on(1), number);
  }
}

TEST(NumberTable, TheLimitGrowsToTheLastNumber) {
  NumberTable table(mem::TheHeap());
  Task task;
  EXPECT_EQ(table.limit(), NumberTable::kFirstLimit);
  std::vector<bool> seen(NumberTable::kMax);
  std::mt19937 random(3);
  for (std::uint32_t count = 1; count < NumberTable::kMax; ++count) {
    const std::uint32_t number = Take(table, &task, random() % 2 != 0).value();
    ASSERT_TRUE(number != 0 && number < table.limit() && !seen[number]) << number;
    seen[number] = true;
    ASSERT_TRUE(table.limit() == NumberTable::kMax ||
                count <= table.limit() / 2 + NumberTable::kTurn);
  }
  EXPECT_EQ(Take(table, &task, true).status(), Status::kLimitExceeded);
  for (const std::uint32_t number : {1u, 77'777u, NumberTable::kMax - 1}) {
    table.Free(number);
    EXPECT_EQ(Take(table, &task, false).value(), number);
    EXPECT_EQ(Take(table, &task, false).status(), Status::kLimitExceeded);
  }
}

}  // namespace
}  // namespace k42::proc
