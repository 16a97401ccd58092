// The model itself: it must reach every outcome that x86 allows, and no other.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "model/interleave.h"

namespace k42::model {
namespace {

using Outcomes = std::set<std::pair<int, int>>;

struct World {
  Atomic<int> x{0}, y{0};
  int a = -1, b = -1;
};

template <typename First, typename Second>
Outcomes OutcomesOf(First first, Second second) {
  Outcomes outcomes;
  Exploration result = Explore([&] {
    auto world = std::make_shared<World>();
    return Program{{[world, first] { first(*world); }, [world, second] { second(*world); }},
                   [world, &outcomes]() -> std::string {
                     outcomes.insert({world->a, world->b});
                     return "";
                   }};
  });
  EXPECT_TRUE(result.complete);
  return outcomes;
}

template <std::memory_order kOrder>
Outcomes StoreBuffering() {
  return OutcomesOf(
      [](World& w) {
        w.x.store(1, kOrder);
        w.a = w.y.load();
      },
      [](World& w) {
        w.y.store(1, kOrder);
        w.b = w.x.load();
      });
}

TEST(Model, StoreBufferingIsSeenUnlessSequentiallyConsistent) {
  EXPECT_EQ(StoreBuffering<std::memory_order_release>(),
            (Outcomes{{0, 0}, {0, 1}, {1, 0}, {1, 1}}));
  EXPECT_EQ(StoreBuffering<std::memory_order_seq_cst>(), (Outcomes{{0, 1}, {1, 0}, {1, 1}}));
}

TEST(Model, StoresLeaveABufferInOrder) {
  Outcomes outcomes = OutcomesOf(
      [](World& w) {
        w.x.store(1, std::memory_order_relaxed);
        w.y.store(1, std::memory_order_relaxed);
      },
      [](World& w) {
        w.a = w.y.load();
        w.b = w.x.load();
      });
  EXPECT_EQ(outcomes, (Outcomes{{0, 0}, {0, 1}, {1, 1}}));
}

TEST(Model, AThreadSeesItsOwnBufferedStores) {
  Outcomes outcomes = OutcomesOf(
      [](World& w) {
        w.x.store(1, std::memory_order_relaxed);
        w.a = w.x.load();
      },
      [](World& w) { w.b = w.x.load(); });
  EXPECT_EQ(outcomes, (Outcomes{{1, 0}, {1, 1}}));
}

TEST(Model, CompareExchangeHasOneWinner) {
  Outcomes outcomes = OutcomesOf(
      [](World& w) {
        int expected = 0;
        w.a = w.x.compare_exchange_strong(expected, 1);
      },
      [](World& w) {
        int expected = 0;
        w.b = w.x.compare_exchange_strong(expected, 2);
      });
  EXPECT_EQ(outcomes, (Outcomes{{0, 1}, {1, 0}}));
}

TEST(Model, AWaitNobodyEndsIsAFailure) {
  Exploration result = Explore([] {
    auto bell = std::make_shared<Doorbell>();
    return Program{{[bell] { bell->Wait(); }}, [] { return std::string(); }};
  });
  EXPECT_FALSE(result.failure.empty());
}

}  // namespace
}  // namespace k42::model
