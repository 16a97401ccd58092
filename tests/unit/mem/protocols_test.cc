// The lock-free protocols of mem under every interleaving, store buffers included.
#include <gtest/gtest.h>

#include <memory>

#include "base/cpu_set.h"
#include "mem/request_count.h"
#include "model/interleave.h"

namespace k42::mem {
namespace {

using model::Atomic;
using model::Exploration;
using model::Explore;
using model::Program;

// A CPU loads a page table while another takes an entry out: either the changer knows that it must
// ask the CPU, or the CPU's walk sees the change.
TEST(ActiveSetModel, NobodyKeepsAnOldTranslationUnasked) {
  struct World {
    BasicAtomicCpuSet<Atomic> active;
    Atomic<std::uint64_t> entry{1};
    bool asked = false;
    bool stale = false;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    auto loader = [world] {
      world->active.Add(1);
      world->stale = world->entry.load(std::memory_order_relaxed) == 1;  // the walk
    };
    auto changer = [world] {
      world->entry.store(0, std::memory_order_release);
      world->asked = world->active.LoadAfterChange().Contains(1);
    };
    return Program{{loader, changer}, [world]() -> std::string {
                     return world->stale && !world->asked ? "old translation, not asked" : "";
                   }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "") << result.executions;
}

// The model finds it when the changer reads the set without a barrier.
TEST(ActiveSetModel, PlainLoadWouldNotDo) {
  struct World {
    Atomic<std::uint64_t> active{0};
    Atomic<std::uint64_t> entry{1};
    bool asked = false;
    bool stale = false;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    auto loader = [world] {
      world->active.fetch_or(2);
      world->stale = world->entry.load() == 1;
    };
    auto changer = [world] {
      world->entry.store(0, std::memory_order_release);
      world->asked = world->active.load() != 0;
    };
    return Program{{loader, changer}, [world]() -> std::string {
                     return world->stale && !world->asked ? "old translation, not asked" : "";
                   }};
  });
  EXPECT_NE(result.failure, "");
}

struct Signals {
  void Signal() { ++count; }
  int count = 0;
};

// Two faults are inside and leave while a changer stops the region (entering is excluded by the
// address space's lock): if it must wait it gets exactly one signal, else nobody is inside.
TEST(RequestCountModel, ExactlyOneSignalIfSomebodyWasInside) {
  struct World {
    BasicRequestCount<Atomic, Signals> requests{2};
    Signals drained;
    bool waits = false;
    int left = 0;
    bool early = false;
  };
  const Exploration result = Explore([] {
    auto world = std::make_shared<World>();
    auto fault = [world] {
      ++world->left;
      world->requests.Leave();
    };
    auto changer = [world] {
      world->waits = !world->requests.Stop(&world->drained);
      world->early = !world->waits && world->left != 2;
    };
    return Program{{fault, fault, changer}, [world]() -> std::string {
                     if (world->early) {
                       return "did not wait for a fault inside";
                     }
                     return world->drained.count == (world->waits ? 1 : 0) ? "" : "wrong signals";
                   }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "") << result.executions;
}

}  // namespace
}  // namespace k42::mem
