// The lock-free protocols of cobj under every interleaving, store buffers included.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "cobj/generation.h"
#include "cobj/handle_count.h"
#include "cobj/id_holds.h"
#include "cobj/miss_gate.h"
#include "cobj/token_parking.h"
#include "cobj/use_count.h"
#include "model/interleave.h"

namespace k42::cobj {
namespace {

using model::Atomic;
using model::Exploration;
using model::Explore;
using model::Program;

#define EXPECT_HOLDS(result)      \
  EXPECT_TRUE((result).complete); \
  EXPECT_EQ((result).failure, "") << result.executions

// A miss and a destruction: if the closer is told that nobody is inside, no miss is or will be.
TEST(MissGateModel, ClosedWithNobodyInsideMeansNobody) {
  struct World {
    BasicMissGate<std::uint64_t, Atomic> gate{7};
    bool entered[2] = {};
    bool disposed = false;
    std::string fault;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    auto miss = [world] {
      const std::uint64_t root = world->gate.Enter();
      if (root == 0)
        return;
      if (world->disposed)
        world->fault = "inside a disposed root";
      world->gate.Leave();
    };
    auto close = [world] {
      if (world->gate.Close(7).nobody)
        world->disposed = true;
    };
    return Program{{miss, miss, close}, [world] { return world->fault; }};
  });
  EXPECT_HOLDS(result);
}

// An object has gone, and its id goes its way while two let it go: it goes on once, whoever is
// last.
TEST(IdHoldsModel, AnIdGoesOnOnceWhenTheLastHolderHasGone) {
  using Holds = BasicIdHolds<Atomic>;
  struct World {
    Holds holds;
    int left = 2;
    int waits = 0;  // has begun, for a grace period
    std::string fault;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    auto release = [world] {
      --world->left;
      world->waits += world->holds.Release() ? 1 : 0;
    };
    return Program{{[world] {
                      model::SetQuiet(true);
                      world->holds.Hold();
                      world->holds.Hold();
                      model::SetQuiet(false);
                      const auto next = world->holds.AfterGrace();
                      if (next == Holds::Next::kFree)
                        world->fault = "reused though somebody may have just found it";
                      world->waits += next == Holds::Next::kAgain ? 1 : 0;
                    },
                    [world, release] {
                      release();
                      release();
                    }},
                   [world]() -> std::string {
                     if (!world->fault.empty() || world->left != 0)
                       return world->fault;
                     return world->waits == 1 ? "" : "an id that is lost, or two owners of it";
                   }};
  });
  EXPECT_HOLDS(result);
}

TEST(IdHolds, WhoHeldAnIdMeanwhileMayHaveShownItToSomebody) {
  IdHolds holds;
  EXPECT_EQ(holds.AfterGrace(), IdHolds::Next::kFree);
  holds.Hold();
  EXPECT_FALSE(holds.Release());
  EXPECT_EQ(holds.AfterGrace(), IdHolds::Next::kAgain);
  EXPECT_EQ(holds.AfterGrace(), IdHolds::Next::kFree);
  holds.Hold();
  EXPECT_EQ(holds.AfterGrace(), IdHolds::Next::kLeft);
  holds.Hold();
  EXPECT_FALSE(holds.Release());
  EXPECT_TRUE(holds.Release());  // a grace period now
  EXPECT_EQ(holds.AfterGrace(), IdHolds::Next::kFree);
}

TEST(MissGateModel, TwoClosersOneOwner) {
  struct World {
    BasicMissGate<std::uint64_t, Atomic> gate{7};
    int owners = 0;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    auto close = [world] {
      world->owners += world->gate.Close(7).root != 0 || world->gate.Close(8).root != 0;
    };
    auto swap = [world] { (void)world->gate.Replace(7, 8); };
    return Program{{close, close, swap}, [world]() -> std::string {
                     return world->owners == 1 ? "" : "not exactly one owner";
                   }};
  });
  EXPECT_HOLDS(result);
}

// A waiter and the holder that would like to park: the token is never parked for good while
// somebody waits, and never held twice.
TEST(TokenParkingModel, NobodyWaitsForASleepingToken) {
  struct World {
    BasicTokenParking<Atomic> parking;
    int holders = 0;
    int waiters = 0;
    std::string fault;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    auto waiter = [world] {
      const bool holds = world->parking.AddWaiter();
      ++world->waiters;  // no step between: on its CPU, nobody comes between either
      if (!holds)
        return;
      if (++world->holders != 1)
        world->fault = "the token is held twice";
      // As the holder: everybody there is served, then the token may sleep, or goes round again.
      for (int round = 0; round < 2; ++round) {
        const int served = std::exchange(world->waiters, 0);
        world->parking.RemoveWaiters(static_cast<std::uint32_t>(served));
        --world->holders;
        if (world->parking.TryPark())
          return;
        ++world->holders;
      }
    };
    return Program{{waiter, waiter, waiter}, [world]() -> std::string {
                     if (world->holders == 0 && world->waiters != 0)
                       return "somebody waits for a sleeping token";
                     return world->fault;
                   }};
  });
  EXPECT_HOLDS(result);
}

// Two handles are dropped while somebody who has only the reference asks for a third: the object
// ends once, and under nobody who was granted one.
template <typename Count>
Exploration DropsAndAdd() {
  struct World {
    Count handles;
    int ends = 0;
    std::string fault;
    void Drop() {
      if (handles.Drop())
        ++ends;
    }
  };
  return Explore([] {
    auto world = std::make_shared<World>();
    auto first = [world] {
      model::SetQuiet(true);
      (void)world->handles.Add();
      (void)world->handles.Add();
      model::SetQuiet(false);
      world->Drop();
    };
    auto second = [world] { world->Drop(); };
    auto late = [world] {
      if (world->handles.Add() != Status::kOk)
        return;
      if (world->ends != 0)
        world->fault = "a handle of an object that has ended";
      world->Drop();
    };
    return Program{{first, second, late}, [world]() -> std::string {
                     return world->ends == 1 ? world->fault : "not exactly one end";
                   }};
  });
}

TEST(HandleCountModel, NobodyComesBackFromTheLastDrop) {
  EXPECT_HOLDS(DropsAndAdd<BasicHandleCount<Atomic>>());
}

// The model finds it when the last drop leaves a word that can be counted up again.
TEST(HandleCountModel, ACountThatOnlyReachesZeroWouldNotDo) {
  struct CountToZero {
    Atomic<std::uint32_t> count{0};
    Status Add() {
      count.fetch_add(1);
      return Status::kOk;
    }
    bool Drop() { return count.fetch_sub(1) == 1; }
  };
  EXPECT_NE(DropsAndAdd<CountToZero>().failure, "");
}

// One is there all the time; another comes on one CPU and goes on the next, while a third counts.
template <typename Uses>
Exploration CountsWhileOneComesAndGoes() {
  struct World {
    Uses uses;
    Atomic<std::uint32_t> passed_on{0};
    std::string fault;
  };
  return Explore([] {
    auto world = std::make_shared<World>();
    auto makes = [world] {
      model::SetQuiet(true);
      world->uses.Add(0);
      model::SetQuiet(false);
      world->uses.Add(0);
      world->passed_on.store(1, std::memory_order_release);
    };
    auto drops = [world] {
      if (world->passed_on.load(std::memory_order_acquire) != 0)
        world->uses.Drop(1);
    };
    auto counts = [world] {
      if (const std::uint64_t count = world->uses.Count(); count != 1 && count != 2)
        world->fault = "counted " + std::to_string(count);
    };
    return Program{{makes, drops, counts}, [world] { return world->fault; }};
  });
}

TEST(UseCountModel, WhatIsThereIsCounted) {
  const Exploration result = CountsWhileOneComesAndGoes<BasicUseCount<Atomic, 2>>();
  EXPECT_HOLDS(result);
}

// The model finds it when the drops are read last.
TEST(UseCountModel, AdditionsFirstWouldNotDo) {
  struct AdditionsFirst {
    Atomic<std::uint64_t> added{0}, dropped{0};
    void Add(machine::CpuId) { added.store(added.load() + 1, std::memory_order_relaxed); }
    void Drop(machine::CpuId) { dropped.store(dropped.load() + 1, std::memory_order_release); }
    std::uint64_t Count() const {
      const std::uint64_t came = added.load();
      return came - dropped.load();
    }
  };
  EXPECT_NE(CountsWhileOneComesAndGoes<AdditionsFirst>().failure, "");
}

// Every sequence of up to twelve steps of enter, leave and advance: who was active at some moment
// has left when the number has grown by two.
TEST(GenerationCounter, TwoAdvancesProveAGracePeriod) {
  for (std::uint32_t choices = 0; choices < 531441; ++choices) {  // 3^12
    GenerationCounter counter;
    struct Active {
      std::uint64_t entered;
      int since;  // step
    } active[12];
    int count = 0;
    std::uint64_t target = 0;
    std::uint32_t rest = choices;
    for (int step = 0; step < 12; ++step, rest /= 3) {
      if (step == 5)
        target = counter.After();
      if (rest % 3 == 0) {
        active[count++] = {counter.Enter(), step};
      } else if (rest % 3 == 1 && count > 0) {
        // Oldest first and newest first both occur: the parity of the choice decides.
        const int victim = choices % 2 == 0 ? 0 : count - 1;
        counter.Leave(active[victim].entered);
        for (int i = victim; i + 1 < count; ++i) active[i] = active[i + 1];
        --count;
      } else if (rest % 3 == 2) {
        (void)counter.TryAdvance();
      }
      for (int i = 0; i < count; ++i) {
        ASSERT_LE(counter.number(), active[i].entered + 1);
        if (step >= 5 && counter.number() >= target) {
          ASSERT_GE(active[i].since, 5) << "active since before the mark";
        }
      }
    }
  }
}

}  // namespace
}  // namespace k42::cobj
