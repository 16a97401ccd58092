// Who is inside and who waits, under every interleaving: never two inside, and nobody waits for
// ever.
#include "user/linux/monitor_word.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "model/interleave.h"

namespace k42::personality {
namespace {

enum class Fault { kNone, kAnnouncesInTwoSteps, kForgetsToNotify };

// Dispatchers go in and out once each, as Monitor does, but for the spinning. A notice that comes
// before the sleep ends it: it stays in the page.
template <std::size_t kDispatchers>
model::Exploration ExploreVisits(Fault fault, std::uint64_t most) {
  struct World {
    BasicMonitorWord<model::Atomic> word;
    std::array<model::Doorbell, kDispatchers> notices;
    model::Atomic<std::uint32_t> inside{0};
    std::string wrong;
  };
  return model::Explore(
      [fault] {
        auto world = std::make_shared<World>();
        const auto visit = [world, fault](std::uint32_t me) {
          while (!world->word.TryEnter()) {
            if (fault == Fault::kAnnouncesInTwoSteps) {
              world->notices[me].Wait();  // it has looked, and not said so
              continue;
            }
            if (world->word.EnterOrAnnounce(me)) {
              break;
            }
            world->notices[me].Wait();
          }
          if (world->inside.fetch_add(1) != 0) {
            world->wrong = "two inside";
          }
          world->inside.fetch_add(~0u);
          const int waiter = world->word.Leave(me);
          if (waiter >= 0 && fault != Fault::kForgetsToNotify) {
            world->notices[static_cast<std::size_t>(waiter)].Ring();
          }
        };
        model::Program program;
        for (std::uint32_t i = 0; i < kDispatchers; ++i) {
          program.threads.push_back([visit, i] { visit(i); });
        }
        program.check = [world] { return world->wrong; };
        return program;
      },
      most);
}

TEST(MonitorWord, EveryInterleavingOfTwo) {
  const model::Exploration result = ExploreVisits<2>(Fault::kNone, 5'000'000);
  EXPECT_TRUE(result.complete) << result.executions;
  EXPECT_EQ(result.failure, "");
}
TEST(MonitorWord, ManyInterleavingsOfThree) {
  EXPECT_EQ(ExploreVisits<3>(Fault::kNone, 100'000).failure, "");
}
TEST(MonitorWord, SleepingWithoutAWordIsFound) {
  EXPECT_NE(ExploreVisits<2>(Fault::kAnnouncesInTwoSteps, 5'000'000).failure, "");
}
TEST(MonitorWord, ForgettingToNotifyIsFound) {
  EXPECT_NE(ExploreVisits<2>(Fault::kForgetsToNotify, 5'000'000).failure, "");
}

TEST(MonitorWord, ThoseWhoWaitAreToldInTurnAndOnce) {
  MonitorWord word;
  EXPECT_TRUE(word.TryEnter());
  EXPECT_FALSE(word.TryEnter());
  EXPECT_FALSE(word.EnterOrAnnounce(62));
  EXPECT_FALSE(word.EnterOrAnnounce(3));
  EXPECT_FALSE(word.EnterOrAnnounce(3));
  EXPECT_EQ(word.Leave(3), 62);
  EXPECT_TRUE(word.EnterOrAnnounce(62));
  EXPECT_FALSE(word.EnterOrAnnounce(7));
  EXPECT_EQ(word.Leave(62), 3);
  EXPECT_TRUE(word.EnterOrAnnounce(3));
  EXPECT_EQ(word.Leave(3), 7);
  EXPECT_TRUE(word.TryEnter());
  EXPECT_EQ(word.Leave(0), MonitorWord::kNobody);
}

}  // namespace
}  // namespace k42::personality
