// Every interleaving of the rings' sleep and wake protocol, and proof that the model can fail it.
#include "abi/ring_sleep.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "model/interleave.h"

namespace k42::abi {
namespace {

struct World {
  model::Atomic<std::uint64_t> produced{0};
  model::Atomic<std::uint32_t> sleeping{0};
  model::Doorbell doorbell;
  std::uint64_t consumed = 0;
  std::uint64_t wakes = 0;
};

// A producer publishes `count` items one by one; the consumer takes what it sees and sleeps
// between.
template <std::memory_order kOrder>
model::Exploration ExploreSleep(std::uint64_t count) {
  using Sleep = RingSleep<model::Atomic, kOrder>;
  return model::Explore([count] {
    auto world = std::make_shared<World>();
    auto producer = [world, count] {
      for (std::uint64_t i = 1; i <= count; ++i) {
        Sleep::Publish(world->produced, i);
        if (Sleep::TakeWake(world->sleeping)) {
          ++world->wakes;
          world->doorbell.Ring();
        }
      }
    };
    auto consumer = [world, count] {
      while (world->consumed < count) {
        std::uint64_t seen = Sleep::Progress(world->produced);
        if (seen == world->consumed) {
          Sleep::Announce(world->sleeping);
          if (Sleep::Progress(world->produced) == world->consumed)
            world->doorbell.Wait();
          Sleep::Retract(world->sleeping);
          continue;
        }
        world->consumed = seen;
      }
    };
    auto check = [world, count]() -> std::string {
      if (world->consumed != count)
        return "the consumer missed an item";
      return world->wakes <= count ? "" : "more wakes than items";
    };
    return model::Program{{producer, consumer}, check};
  });
}

TEST(RingSleep, NoInterleavingLosesAWake) {
  model::Exploration one = ExploreSleep<std::memory_order_seq_cst>(1);
  EXPECT_TRUE(one.complete) << one.failure;
  model::Exploration two = ExploreSleep<std::memory_order_seq_cst>(2);
  EXPECT_TRUE(two.complete) << two.failure;
  EXPECT_GT(two.executions, 100u);
}

TEST(RingSleep, TheModelSeesTheStoreBuffer) {
  model::Exploration weak = ExploreSleep<std::memory_order_release>(1);
  EXPECT_NE(weak.failure.find("nothing can wake it"), std::string::npos) << weak.failure;
}

}  // namespace
}  // namespace k42::abi
