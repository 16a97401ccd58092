// The word of a blocking lock and its queue, under every interleaving.
#include "base/wait_word.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "model/interleave.h"

namespace k42 {
namespace {

// Threads take the lock in turn, waiting as sync/wait_table.h does. The queue's lock is a KickWord
// of the model: a spin whose wait is a doorbell. Exclusion holds, and nobody waits for ever.
template <std::size_t kThreads>
model::Exploration ExploreLock(std::uint64_t most) {
  struct World {
    BasicWaitWord<model::Atomic> word{7};
    model::Atomic<std::uint32_t> queue_lock{0};
    std::array<bool, kThreads> queued{};  // under queue_lock
    std::array<model::Doorbell, kThreads> wake;
    int inside = 0;
    std::size_t ended = 0;
    bool violated = false;
    std::string fault;

    void LockQueue() {
      for (;;) {
        std::uint32_t expected = 0;
        if (queue_lock.compare_exchange_strong(expected, 1))
          return;
        model::Wait([this] { return queue_lock.Peek() == 0; });
      }
    }
    void UnlockQueue() { queue_lock.store(0, std::memory_order_release); }
  };
  return model::Explore(
      [] {
        auto world = std::make_shared<World>();
        const auto body = [world](std::size_t me) {
          while (!world->word.TryAcquire()) {
            if (!world->word.Announce())
              continue;
            world->LockQueue();
            if (!world->word.MustWait()) {
              world->UnlockQueue();
              continue;
            }
            world->queued[me] = true;
            world->UnlockQueue();
            world->wake[me].Wait();
          }
          world->violated = world->violated || world->inside++ != 0;
          world->word.SetUser(world->word.user() + 1);
          --world->inside;
          if (world->word.Release()) {
            world->LockQueue();
            std::size_t first = 0;
            while (first < kThreads && !world->queued[first]) ++first;
            std::size_t another = first + 1;
            while (another < kThreads && !world->queued[another]) ++another;
            if (another >= kThreads)
              world->word.NobodyWaits();
            if (first < kThreads)
              world->queued[first] = false;
            world->UnlockQueue();
            if (first < kThreads)
              world->wake[first].Ring();
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
