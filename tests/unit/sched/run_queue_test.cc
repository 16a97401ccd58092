#include "sched/run_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace k42::sched {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

// Runs `queue` for `total` ns on a manual clock; each turn lasts the entity's quantum.
template <std::size_t N>
void TakeTurns(RunQueue& queue, std::array<Entity, N>& entities, std::array<std::uint64_t, N>& got,
               std::uint64_t& now, std::uint64_t total) {
  const std::uint64_t end = now + total;
  while (now < end) {
    Entity* entity = queue.TakeFirst();
    ASSERT_NE(entity, nullptr);
    now += entity->quantum_ns;
    entity->usage.Charge(entity->quantum_ns, entity->weight, now);
    got[static_cast<std::size_t>(entity - entities.data())] += entity->quantum_ns;
    queue.Insert(entity);
  }
}

template <std::size_t N>
void Drain(RunQueue& queue) {
  while (queue.TakeFirst() != nullptr) {
  }
}

TEST(RunQueue, SharesFollowWeights) {
  RunQueue queue;
  std::array<Entity, 3> entities;
  entities[0].weight = WeightOf(0);
  entities[1].weight = WeightOf(0);
  entities[2].weight = 2 * WeightOf(0);
  for (Entity& entity : entities) {
    entity.quantum_ns = kMs;
    queue.Insert(&entity);
  }
  std::array<std::uint64_t, 3> got = {};
  std::uint64_t now = 0;
  TakeTurns(queue, entities, got, now, 4000 * kMs);
  EXPECT_NEAR(static_cast<double>(got[0]), 1000.0 * kMs, 60.0 * kMs);
  EXPECT_NEAR(static_cast<double>(got[1]), 1000.0 * kMs, 60.0 * kMs);
  EXPECT_NEAR(static_cast<double>(got[2]), 2000.0 * kMs, 80.0 * kMs);
  Drain<3>(queue);
}

// Turns of the real length, as the scheduler gives them: one of the light for one of the heavy.
TEST(RunQueue, WeightsOneTwoFourShareWithinTwoPercent) {
  RunQueue queue;
  std::array<Entity, 3> entities;
  for (std::size_t i = 0; i < entities.size(); ++i) {
    entities[i].weight = kNormalWeight << i;
    entities[i].quantum_ns = SliceOf(kQuantum, entities[i].weight, kQuantumMin, kQuantumMax);
    queue.Insert(&entities[i]);
  }
  std::array<std::uint64_t, 3> got = {};
  std::uint64_t now = 0;
  TakeTurns(queue, entities, got, now, 7000 * kMs);
  for (std::size_t i = 0; i < entities.size(); ++i) {
    const double due = 1000.0 * kMs * (1 << i);
    EXPECT_NEAR(static_cast<double>(got[i]), due, due * 0.02);
  }
  Drain<3>(queue);
}

TEST(RunQueue, AnEarlierBandGoesFirst) {
  RunQueue queue;
  Entity normal, realtime, background;
  realtime.band = Band::kRealtime;
  background.band = Band::kBackground;
  realtime.usage.Charge(1000 * kMs, kNormalWeight, 0);
  queue.Insert(&background);
  queue.Insert(&normal);
  queue.Insert(&realtime);
  EXPECT_TRUE(queue.Preempts(normal, 0));
  EXPECT_EQ(queue.TakeFirst(), &realtime);
  EXPECT_EQ(queue.TakeFirst(), &normal);
  EXPECT_FALSE(queue.HasCompetitor(normal));
  EXPECT_EQ(queue.TakeFirst(), &background);
  EXPECT_TRUE(queue.empty());
}

TEST(RunQueue, WhoHasSleptRunsFirstButOldUsageIsForgotten) {
  RunQueue queue;
  Entity hog, sleeper;
  hog.usage.Charge(50 * kMs, kNormalWeight, 50 * kMs);
  queue.Insert(&sleeper);
  EXPECT_TRUE(queue.Preempts(hog, 50 * kMs));
  EXPECT_FALSE(queue.Preempts(hog, 50 * kMs + 10 * kHalfLife));
  queue.TakeFirst();
}

TEST(RunQueue, ANewcomerStartsLevel) {
  RunQueue queue;
  Entity old, running, fresh;
  old.usage.Charge(20 * kMs, kNormalWeight, 30 * kMs);
  running.usage.Charge(30 * kMs, kNormalWeight, 30 * kMs);
  queue.Insert(&old);
  queue.StartLevel(&fresh, &running);
  EXPECT_FALSE(fresh.usage < old.usage);
  EXPECT_FALSE(old.usage < fresh.usage);
  queue.TakeFirst();
}

TEST(RunQueue, EqualsTakeTurns) {
  RunQueue queue;
  Entity a, b;
  queue.Insert(&a);
  queue.Insert(&b);
  EXPECT_EQ(queue.TakeFirst(), &a);
  queue.Insert(&a);
  EXPECT_EQ(queue.TakeFirst(), &b);
  queue.TakeFirst();
}

TEST(RunQueue, StaysSortedWhateverIsCharged) {
  std::mt19937 random(42);
  RunQueue queue;
  std::array<Entity, 16> entities;
  for (Entity& entity : entities) queue.Insert(&entity);
  std::uint64_t now = 0;
  for (int step = 0; step < 5000; ++step) {
    Entity* entity = queue.TakeFirst();
    for (Entity& other : entities) EXPECT_FALSE(&other != entity && other.usage < entity->usage);
    const std::uint64_t ran = random() % (20 * kMs);
    now += ran;
    entity->usage.Charge(ran, 1 + random() % 4096, now);
    queue.Insert(entity);
  }
  Drain<16>(queue);
}

TEST(Share, WeightsOfNiceValues) {
  EXPECT_EQ(WeightOf(0), kNormalWeight);
  EXPECT_GT(WeightOf(-20), 80 * kNormalWeight);
  EXPECT_GT(WeightOf(19), 0u);
  for (int nice = -20; nice < 19; ++nice) EXPECT_GT(WeightOf(nice), WeightOf(nice + 1));
}

}  // namespace
}  // namespace k42::sched
