// The lock-free protocols of mem under every interleaving, store buffers included.
#include <gtest/gtest.h>

#include <memory>

#include "base/cpu_set.h"
#include "mem/block_inbox.h"
#include "mem/frame_promises.h"
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

struct PromiseWorld {
  BasicFramePromises<Atomic> promises;
  Atomic<std::uint64_t> free{8};
  bool promised = false;

  bool TookPromised() {
    return promises.TookPromised([this] { return free.load(); });
  }
};

// Five of eight frames are promised while `takers` CPUs take(world) some.
template <typename Take>
Exploration ExplorePromises(int takers, Take take) {
  return Explore([=] {
    auto world = std::make_shared<PromiseWorld>();
    Program program{{[world] {
                      world->promised = IsOk(
                          world->promises.Make(5, 100, 0, [world] { return world->free.load(); }));
                    }},
                    [world]() -> std::string {
                      return world->promised && world->free.Peek() < 5 ? "promised and gone" : "";
                    }};
    for (int i = 0; i < takers; ++i) program.threads.push_back([world, take] { take(*world); });
    return program;
  });
}

// Where the promise was given the frames are there, whatever was taken meanwhile.
TEST(FramePromisesModel, WhatIsPromisedIsThere) {
  const Exploration result = ExplorePromises(2, [](PromiseWorld& world) {
    world.free.fetch_sub(2);
    if (world.TookPromised()) {
      world.free.fetch_add(2);
    }
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "") << result.executions;
}

// The model finds it when what was taken is still in the taker's store buffer while it looks.
TEST(FramePromisesModel, TakingByAPlainStoreWouldNotDo) {
  const Exploration result = ExplorePromises(1, [](PromiseWorld& world) {
    world.free.store(4, std::memory_order_release);
    if (world.TookPromised()) {
      world.free.store(8, std::memory_order_release);
    }
  });
  EXPECT_NE(result.failure, "");
}

struct ModelBlock {
  ModelBlock* next = nullptr;
  int taken = 0;
};

// Two CPUs send chains of two home, which takes twice: each block comes once, or is still there.
template <typename Inbox>
Exploration SendAndTake() {
  struct World {
    Inbox inbox;
    ModelBlock blocks[4];
    void Send(int first) {
      blocks[first].next = &blocks[first + 1];
      inbox.Send(&blocks[first], &blocks[first + 1]);
    }
    void Take() {
      for (ModelBlock* block = inbox.TakeAll(); block != nullptr; block = block->next) {
        ++block->taken;
      }
    }
  };
  return Explore([] {
    auto world = std::make_shared<World>();
    auto home = [world] {
      world->Take();
      world->Take();
    };
    return Program{{[world] { world->Send(0); }, [world] { world->Send(2); }, home},
                   [world]() -> std::string {
                     world->Take();
                     for (const ModelBlock& block : world->blocks) {
                       if (block.taken != 1) {
                         return block.taken == 0 ? "a block is lost" : "a block came twice";
                       }
                     }
                     return "";
                   }};
  });
}

TEST(BlockInboxModel, EachBlockComesHomeOnce) {
  const Exploration result = SendAndTake<BlockInbox<ModelBlock, Atomic>>();
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "") << result.executions;
}

// The model finds it when the taker empties the inbox by a store of its own.
TEST(BlockInboxModel, LookingAndThenEmptyingWouldNotDo) {
  struct Emptied {
    Atomic<ModelBlock*> top{nullptr};
    void Send(ModelBlock* first, ModelBlock* last) {
      ModelBlock* before = top.load();
      do {
        last->next = before;
      } while (!top.compare_exchange_strong(before, first));
    }
    ModelBlock* TakeAll() {
      ModelBlock* const all = top.load();
      top.store(nullptr, std::memory_order_release);
      return all;
    }
  };
  EXPECT_NE(SendAndTake<Emptied>().failure, "");
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
