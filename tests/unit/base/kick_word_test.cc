#include "base/kick_word.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "model/interleave.h"

namespace k42 {
namespace {

// Two or three CPUs take the lock in turn, waiting as machine/spin_lock does but without the spin.
// In every interleaving nobody halts for ever and the critical sections exclude each other: each
// counts once, by a load and a store that only exclusion keeps together.
template <std::size_t kCpus>
model::Exploration ExploreLock() {
  struct World {
    KickWord<model::Atomic> word;
    std::array<model::Atomic<std::uint32_t>, kCpus> slots{};  // 1: waits for the word
    std::array<model::Doorbell, kCpus> interrupts;
    model::Atomic<std::uint32_t> count{0};
  };
  return model::Explore(
      [] {
        auto world = std::make_shared<World>();
        const auto cpu = [world](std::size_t me) {
          while (!world->word.TryAcquire()) {
            world->slots[me].store(1);
            world->word.Announce();
            if (world->word.MustWait()) {
              world->interrupts[me].Wait();
            }
            world->slots[me].store(0);
          }
          const std::uint32_t count = world->count.load(std::memory_order_relaxed);
          world->count.store(count + 1, std::memory_order_relaxed);
          if (world->word.Release()) {
            for (std::size_t other = 0; other < kCpus; ++other) {
              if (world->slots[other].load() == 1) {
                world->interrupts[other].Ring();
              }
            }
          }
        };
        model::Program program;
        for (std::size_t i = 0; i < kCpus; ++i) {
          program.threads.push_back([cpu, i] { cpu(i); });
        }
        program.check = [world]() -> std::string {
          return world->count.Peek() == kCpus ? "" : "two holders";
        };
        return program;
      },
      100'000);
}

TEST(KickWord, EveryInterleavingOfTwoCpus) {
  const model::Exploration result = ExploreLock<2>();
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

// Too many to try all; depth first still covers every end of the game.
TEST(KickWord, ManyInterleavingsOfThreeCpus) {
  const model::Exploration result = ExploreLock<3>();
  EXPECT_EQ(result.failure, "");
}

}  // namespace
}  // namespace k42
