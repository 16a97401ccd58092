// The word of a blocking lock and its queue, under every interleaving.
#include "base/wait_word.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <memory>
#include <string>

#include "base/wait_end.h"
#include "model/interleave.h"
#include "unit/base/model_thread.h"

namespace k42 {
namespace {

// Threads take the lock in turn, waiting as sync/wait_table.h does; the queue's lock is a spin that
// waits. Exclusion holds, and nobody waits for ever.
template <std::size_t kThreads>
model::Exploration ExploreLock(std::uint64_t most) {
  struct World {
    BasicWaitWord<model::Atomic> word{7};
    ModelSpin queue_lock;
    using Record = WaitEnd<ModelThread<>, model::Atomic>;
    std::deque<Record*> queue;  // under queue_lock
    std::array<ModelThread<>, kThreads> threads;
    int inside = 0;
    std::size_t ended = 0;
    bool violated = false;
    std::string fault;
  };
  return model::Explore(
      [] {
        auto world = std::make_shared<World>();
        const auto body = [world](std::size_t me) {
          while (!world->word.TryAcquire()) {
            if (!world->word.Announce())
              continue;
            world->queue_lock.Lock();
            if (!world->word.MustWait()) {
              world->queue_lock.Unlock();
              continue;
            }
            typename World::Record record(&world->threads[me]);
            world->queue.push_back(&record);
            world->queue_lock.Unlock();
            while (!record.ended()) world->threads[me].Block();
          }
          world->violated = world->violated || world->inside++ != 0;
          world->word.SetUser(world->word.user() + 1);
          --world->inside;
          if (world->word.Release()) {
            world->queue_lock.Lock();
            typename World::Record* first = nullptr;
            if (!world->queue.empty()) {
              first = world->queue.front();
              world->queue.pop_front();
            }
            if (world->queue.empty())
              world->word.NobodyWaits();
            world->queue_lock.Unlock();
            if (first != nullptr)
              first->End()->Unblock();
          }
          if (++world->ended == kThreads) {
            if (world->word.user() != 7 + kThreads)
              world->fault = "the owner's bits were lost";
            else if (world->word.held())
              world->fault = "held at the end";
          }
        };
        model::Program program;
        for (std::size_t i = 0; i < kThreads; ++i)
          program.threads.push_back([body, i] { body(i); });
        program.check = [world]() -> std::string {
          return world->violated ? "two holders" : world->fault;
        };
        return program;
      },
      most);
}

TEST(WaitWord, EveryInterleavingOfTwoThreads) {
  const model::Exploration result = ExploreLock<2>(5'000'000);
  EXPECT_TRUE(result.complete) << result.executions;
  EXPECT_EQ(result.failure, "");
}

// Too many to try all.
TEST(WaitWord, ManyInterleavingsOfThreeThreads) {
  const model::Exploration result = ExploreLock<3>(20'000);
  EXPECT_EQ(result.failure, "");
}

}  // namespace
}  // namespace k42
