// The turn of pumping under every interleaving: what is posted before Take is seen by somebody.
#include "io/pump_turn.h"

#include <gtest/gtest.h>

#include <memory>

#include "model/interleave.h"

namespace k42::io {
namespace {

using model::Atomic;
using model::Exploration;
using model::Explore;
using model::Program;

TEST(PumpTurnModel, NothingPostedIsLeftAndOnePumpsAtATime) {
  struct World {
    PumpTurn<Atomic> turn;
    Atomic<std::uint64_t> posted{0};
    std::uint64_t seen = 0;  // the turn's
    bool pumping = false;
    std::string fault;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    auto post = [world] {
      world->posted.fetch_add(1, std::memory_order_acq_rel);
      if (!world->turn.Take())
        return;
      do {
        world->turn.Begin();
        if (std::exchange(world->pumping, true))
          world->fault = "two pump at once";
        world->seen = world->posted.load(std::memory_order_acquire);
        world->pumping = false;
      } while (!world->turn.Leave());
    };
    return Program{{post, post, post}, [world] {
                     return world->seen == 3 ? world->fault : std::string("posted and not seen");
                   }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "") << result.executions;
}

}  // namespace
}  // namespace k42::io
