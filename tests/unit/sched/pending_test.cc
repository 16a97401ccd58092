// Disabled and pending: a dispatcher that leaves the disabled state, and an event posted meanwhile
// from another CPU (abi/dispatcher_page.h). The two ends are assembly (user/linux/entry.S) and
// sched/upcall.cc; here they stand instruction by instruction, under every interleaving. In every
// one the event is noticed: by the test in the leave range, or by the interrupt that its message
// brings, which rewinds the range or upcalls the program.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/interleave.h"

namespace k42::sched {
namespace {

using model::Atomic;

enum class Fault { kNone, kNoRewind, kPostAfterMessage };

// The registers are in the program's hands only behind the range.
enum Place { kTest, kClear, kLoadRegisters, kProgram };

struct World {
  Atomic<std::uint32_t> pending{0};
  Atomic<std::uint32_t> disabled{1};
  Atomic<std::uint32_t> message{0};  // an interrupt on its way to the dispatcher's CPU
  bool noticed = false;
};

// The kernel, on the dispatcher's CPU, on its way back to user code at `place` (Upcall). True: it
// upcalls.
bool DeliverPending(World& world, Place* place, Fault fault) {
  if (world.pending.load(std::memory_order_relaxed) == 0)
    return false;
  if ((*place == kClear || *place == kLoadRegisters) && fault != Fault::kNoRewind) {
    world.disabled.store(1, std::memory_order_relaxed);
    *place = kTest;
    return false;
  }
  return world.disabled.load(std::memory_order_relaxed) == 0 && *place == kProgram;
}

void Dispatcher(World& world, Fault fault) {
  Place place = kTest;
  for (;;) {
    // Between any two instructions; in the program, sooner or later.
    if (place == kProgram)
      model::Wait([&world] { return world.message.Peek() != 0; });
    if (world.message.load(std::memory_order_relaxed) != 0) {
      world.message.exchange(0);
      if (DeliverPending(world, &place, fault))
        break;
      if (place == kProgram)
        return;  // nothing to deliver, and nothing else will come
      continue;
    }
    switch (place) {
      case kTest:
        if (world.pending.load(std::memory_order_relaxed) != 0) {
          world.noticed = true;
          return;
        }
        place = kClear;
        break;
      case kClear:
        world.disabled.store(0, std::memory_order_relaxed);
        place = kLoadRegisters;
        break;
      case kLoadRegisters:
        place = kProgram;
        break;
      case kProgram:
        break;
    }
  }
  world.noticed = true;
}

model::Exploration Explore(Fault fault) {
  return model::Explore([fault] {
    auto world = std::make_shared<World>();
    auto post = [world, fault] {
      if (fault == Fault::kPostAfterMessage)
        world->message.exchange(1);
      world->pending.fetch_or(1);
      if (fault != Fault::kPostAfterMessage)
        world->message.exchange(1);
    };
    return model::Program{
        {post, [world, fault] { Dispatcher(*world, fault); }},
        [world]() -> std::string { return world->noticed ? "" : "an event is not noticed"; }};
  });
}

TEST(PendingModel, NoEventIsLostOnTheWayOut) {
  const model::Exploration result = Explore(Fault::kNone);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "") << result.executions;
}

TEST(PendingModel, WithoutTheRewindOneWouldBe) {
  EXPECT_NE(Explore(Fault::kNoRewind).failure, "");
}

TEST(PendingModel, PostedAfterItsMessageOneWouldBe) {
  EXPECT_NE(Explore(Fault::kPostAfterMessage).failure, "");
}

}  // namespace
}  // namespace k42::sched
