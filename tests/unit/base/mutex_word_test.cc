// The word of a lock that is handed over, with its queue, under every interleaving.
#include "base/mutex_word.h"

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

using Record = WaitEnd<ModelThread<>, model::Atomic>;

enum class Fault { kNone, kAnnouncesBeforeTheQueue, kForgetsTheOthers };

// Threads take the lock in turn, as machine::Mutex does; the queue's lock is a spin that waits.
// Each counts once, by a load and a store that only exclusion keeps together. The last one has the
// lock already if `held`.
template <std::size_t kThreads, template <typename> typename Atomic = model::Atomic>
model::Exploration ExploreLock(bool held, Fault fault = Fault::kNone,
                               std::uint64_t most = 5'000'000) {
  struct World {
    BasicMutexWord<Atomic> word;
    ModelSpin queue_lock;
    std::deque<Record*> queue;  // under queue_lock
    std::array<ModelThread<>, kThreads> threads;
    model::Atomic<std::uint32_t> count{0};
    std::string fault;

    std::uintptr_t HolderOf(const ModelThread<>& thread) const {
      return 2 * static_cast<std::uintptr_t>(&thread - threads.data() + 1);
    }

    void AcquireSlow(ModelThread<>& self, Fault fault_of_test) {
      Record record(&self);
      if (fault_of_test == Fault::kAnnouncesBeforeTheQueue && !word.Announce(HolderOf(self)))
        return;
      queue_lock.Lock();
      if (fault_of_test != Fault::kAnnouncesBeforeTheQueue && !word.Announce(HolderOf(self)))
        return queue_lock.Unlock();
      queue.push_back(&record);
      queue_lock.Unlock();
      while (!record.ended()) self.Block();
    }
    void ReleaseSlow(Fault fault_of_test) {
      queue_lock.Lock();
      if (queue.empty()) {
        fault = "the word says that somebody waits, the queue does not";
        return queue_lock.Unlock();
      }
      Record* first = queue.front();
      queue.pop_front();
      word.HandOver(HolderOf(*first->waiter()),
                    !queue.empty() && fault_of_test != Fault::kForgetsTheOthers);
      queue_lock.Unlock();
      first->End()->Unblock();
    }
  };
  return model::Explore(
      [held, fault] {
        auto world = std::make_shared<World>();
        model::Program program;
        for (std::size_t i = 0; i < kThreads; ++i) {
          program.threads.push_back([world, held, fault, i] {
            ModelThread<>& self = world->threads[i];
            if (held && i == 0) {
              model::SetQuiet(true);
              (void)world->word.TryAcquire(world->HolderOf(world->threads[kThreads - 1]));
              model::SetQuiet(false);
            }
            const bool holds = held && i == kThreads - 1;
            if (!holds && !world->word.TryAcquire(world->HolderOf(self)))
              world->AcquireSlow(self, fault);
            const std::uint32_t count = world->count.load(std::memory_order_relaxed);
            world->count.store(count + 1, std::memory_order_relaxed);
            if (!world->word.TryRelease(world->HolderOf(self)))
              world->ReleaseSlow(fault);
          });
        }
        program.check = [world]() -> std::string {
          if (world->count.Peek() != kThreads)
            return "two holders";
          return world->word.IsHeldBy(0) ? world->fault : "held at the end";
        };
        return program;
      },
      most);
}

TEST(MutexWord, EveryInterleavingOfTwoThreads) {
  for (const bool held : {false, true}) {
    const model::Exploration result = ExploreLock<2>(held);
    EXPECT_TRUE(result.complete) << result.executions;
    EXPECT_EQ(result.failure, "");
  }
}

// Too many to try all.
TEST(MutexWord, ManyInterleavingsOfThreeThreads) {
  const model::Exploration result = ExploreLock<3>(true, Fault::kNone, 20'000);
  EXPECT_EQ(result.failure, "");
}

TEST(MutexWord, TheWordChangesUnderTheQueuesLock) {
  EXPECT_NE(ExploreLock<2>(true, Fault::kAnnouncesBeforeTheQueue).failure, "");
}

TEST(MutexWord, AHandOverKeepsTheOthersInTheWord) {
  const model::Exploration result = ExploreLock<3>(true, Fault::kForgetsTheOthers);
  EXPECT_NE(result.failure.find("nothing can wake it"), std::string::npos) << result.failure;
}

// A release that looks and then stores: what was announced in between is lost.
template <typename T>
class ReleasesInTwoSteps : public model::Atomic<T> {
 public:
  using model::Atomic<T>::Atomic;
  bool compare_exchange_strong(T& expected, T desired, std::memory_order order) {
    if (desired != 0)
      return model::Atomic<T>::compare_exchange_strong(expected, desired, order);
    if (this->load() != expected)
      return false;
    this->store(0, std::memory_order_release);
    return true;
  }
};

TEST(MutexWord, AReleaseIsOneStep) {
  const model::Exploration result = ExploreLock<2, ReleasesInTwoSteps>(true);
  EXPECT_NE(result.failure.find("nothing can wake it"), std::string::npos) << result.failure;
}

}  // namespace
}  // namespace k42
