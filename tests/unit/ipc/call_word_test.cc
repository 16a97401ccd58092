// A protected call ends exactly once, whoever of server and caller goes first: every interleaving.
#include "ipc/call_word.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "ipc/slot_word.h"
#include "model/interleave.h"

namespace k42::ipc {
namespace {

using model::Exploration;
using model::Explore;
using model::Program;
using ModelWord = BasicCallWord<model::Atomic>;
using ModelSlots = BasicSlotWord<model::Atomic>;

// Each body counts how often it gave the slot back; in the end that is once in all.
struct World {
  ModelWord word;
  int given = 0;
  bool begun = false;
  bool answered = false;
  bool failed = false;
};

// The server's CPU: begins the call and answers it, or, ending, fails it.
void ServeOrGive(World& world) {
  if (!world.word.Begin()) {
    ++world.given;
    return;
  }
  world.begun = true;
  if (world.word.End())
    world.answered = true;
  else
    ++world.given;
}
void EndServer(World& world) {
  const ModelWord::State state = world.word.Fail();
  if (state == ModelWord::kAbandoned)
    ++world.given;
  else
    world.failed = true;
}
// The caller's CPU, which ends.
void EndCaller(World& world) {
  if (!world.word.Abandon())
    ++world.given;
}

template <typename Server>
Exploration ExploreEnds(Server server, bool begun) {
  return Explore([server, begun] {
    auto world = std::make_shared<World>();
    return Program{{[world, server, begun] {
                      model::SetQuiet(true);
                      world->word.Fill();
                      world->word.Queue();
                      if (begun)
                        world->word.Begin();
                      model::SetQuiet(false);
                      server(*world);
                    },
                    [world] { EndCaller(*world); }},
                   [world]() -> std::string {
                     return world->given == 1 ? "" : "given back " + std::to_string(world->given);
                   }};
  });
}

TEST(CallWordModel, ServedWhileTheCallerEnds) {
  const Exploration result = ExploreEnds(ServeOrGive, false);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}
TEST(CallWordModel, BothEnd) {
  for (const bool begun : {false, true}) {
    const Exploration result = ExploreEnds(EndServer, begun);
    EXPECT_TRUE(result.complete);
    EXPECT_EQ(result.failure, "");
  }
}
// An end that looks and stores: found.
TEST(CallWordModel, AnEndInTwoStepsIsFound) {
  const Exploration result = ExploreEnds(
      [](World& world) {
        if (!world.word.Begin()) {
          ++world.given;
          return;
        }
        if (world.word.state() == ModelWord::kRunning)
          world.word.Free();  // as if nobody could come in between
        else
          ++world.given;
      },
      false);
  EXPECT_NE(result.failure, "");
}

TEST(CallWord, StatesOneByOne) {
  CallWord word;
  EXPECT_EQ(word.state(), CallWord::kFree);
  word.Fill();
  EXPECT_FALSE(word.Begin());
  EXPECT_EQ(word.Fail(), CallWord::kFilling);  // not the server's yet
  EXPECT_FALSE(word.Abandon());
  word.Queue();
  EXPECT_FALSE(word.End());
  EXPECT_TRUE(word.Begin());
  EXPECT_FALSE(word.Begin());
  EXPECT_TRUE(word.End());
  EXPECT_EQ(word.state(), CallWord::kDone);
  EXPECT_FALSE(word.Abandon());
  EXPECT_EQ(word.Fail(), CallWord::kDone);
}

// -- slots ----------------------------------------------------------------------------------------

TEST(SlotWord, EachSlotOnce) {
  for (const std::uint32_t count : {1u, 5u, 31u, kMaxCallSlots}) {
    SlotWord slots(count);
    std::uint64_t taken = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t slot = slots.Take();
      ASSERT_LT(slot, count);
      EXPECT_EQ(taken >> slot & 1, 0u);
      EXPECT_TRUE(slots.IsTaken(slot));
      taken |= std::uint64_t{1} << slot;
    }
    EXPECT_EQ(slots.Take(), SlotWord::kNone);
    EXPECT_FALSE(slots.Give(0));  // the server's hold is left
    EXPECT_EQ(slots.Take(), 0u);
    EXPECT_FALSE(slots.Drop());  // the slots are
    for (std::uint32_t i = 0; i < count; ++i) EXPECT_EQ(slots.Give(i), i + 1 == count);
  }
}

// The server, a holder of an object, and a caller let go at once: one of them is the last.
TEST(SlotWordModel, OneIsTheLast) {
  struct State {
    ModelSlots slots{2};
    std::uint32_t slot = 0;
    int last = 0;
  };
  const Exploration result = Explore([] {
    auto state = std::make_shared<State>();
    return Program{{[state] {
                      model::SetQuiet(true);
                      state->slots.Hold();
                      state->slot = state->slots.Take();
                      model::SetQuiet(false);
                      state->last += state->slots.Drop() ? 1 : 0;
                    },
                    [state] { state->last += state->slots.Drop() ? 1 : 0; },
                    [state] { state->last += state->slots.Give(state->slot) ? 1 : 0; }},
                   [state]() -> std::string {
                     return state->last == 1 ? "" : std::to_string(state->last) + " were the last";
                   }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

}  // namespace
}  // namespace k42::ipc
