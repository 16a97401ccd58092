// Births and a walk under every interleaving: what is born is there before the walk begins, or
// after it is over.
#include "proc/birth_gate.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/interleave.h"

namespace k42::proc {
namespace {

constexpr machine::CpuId kCpus = 2;

struct World {
  BasicBirthGate<model::Atomic, kCpus> gate;
  model::Atomic<std::uint32_t> born[kCpus];
  std::string wrong;

  void Birth(machine::CpuId cpu) {
    if (!gate.TryEnter(cpu))
      return;
    born[cpu].store(1, std::memory_order_release);
    gate.Leave(cpu);
  }
  std::uint32_t Count() const {
    std::uint32_t count = 0;
    for (const auto& each : born) count += each.load(std::memory_order_acquire);
    return count;
  }
  void Walk() {
    if (!gate.TryClose())
      return;
    if (gate.IsEmpty(kCpus)) {
      const std::uint32_t first = Count();
      if (Count() != first)
        wrong = "born during a walk";
    }
    gate.Open();
  }
};

TEST(BirthGate, NobodyIsBornDuringAWalk) {
  const model::Exploration result = model::Explore([] {
    auto world = std::make_shared<World>();
    return model::Program{
        {[world] { world->Birth(0); }, [world] { world->Birth(1); }, [world] { world->Walk(); }},
        [world] { return world->wrong; }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

TEST(BirthGate, WalksAreOneAfterTheOther) {
  const model::Exploration result = model::Explore([] {
    auto world = std::make_shared<World>();
    auto inside = std::make_shared<model::Atomic<std::uint32_t>>(0);
    const auto walk = [world, inside] {
      if (!world->gate.TryClose())
        return;
      if (inside->fetch_add(1) != 0)
        world->wrong = "two walks at a time";
      inside->fetch_sub(1);
      world->gate.Open();
    };
    return model::Program{{walk, walk}, [world] { return world->wrong; }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

// Alone: both come in.
TEST(BirthGate, AnOpenGateLetsIn) {
  BirthGate gate;
  EXPECT_TRUE(gate.TryEnter(0));
  EXPECT_TRUE(gate.TryEnter(3));
  EXPECT_FALSE(gate.IsEmpty(4));
  gate.Leave(0);
  gate.Leave(3);
  EXPECT_TRUE(gate.TryClose());
  EXPECT_FALSE(gate.TryClose());
  EXPECT_TRUE(gate.IsEmpty(4));
  EXPECT_FALSE(gate.TryEnter(1));
  EXPECT_TRUE(gate.IsEmpty(4));
  gate.Open();
  EXPECT_TRUE(gate.TryEnter(1));
}

}  // namespace
}  // namespace k42::proc
