// Block and Unblock, and the end of a wait, under every interleaving, store buffers included.
#include "base/wake_token.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "base/wait_end.h"
#include "model/interleave.h"
#include "unit/base/model_thread.h"

namespace k42 {
namespace {

using model::Exploration;

// A thread waits for one thing after the other, each ended by a waker of its own; `strays` wakers
// give it tokens that mean nothing. It must come to the end, and each time that it has been blocked
// exactly one waker must have made it ready.
template <template <typename> typename Atomic>
Exploration ExploreWaits(std::size_t waits, std::size_t strays) {
  struct World {
    ModelThread<Atomic> thread;
    std::array<WaitEnd<ModelThread<Atomic>, model::Atomic>, 2> records{
        WaitEnd<ModelThread<Atomic>, model::Atomic>{&thread},
        WaitEnd<ModelThread<Atomic>, model::Atomic>{&thread}};
  };
  return model::Explore([=] {
    auto world = std::make_shared<World>();
    model::Program program;
    program.threads.push_back([=] {
      for (std::size_t i = 0; i < waits; ++i) {
        while (!world->records[i].ended()) world->thread.Block();
      }
    });
    for (std::size_t i = 0; i < waits; ++i)
      program.threads.push_back([=] { world->records[i].End()->Unblock(); });
    for (std::size_t i = 0; i < strays; ++i)
      program.threads.push_back([=] { world->thread.Unblock(); });
    program.check = [=]() -> std::string {
      return world->thread.blocked == world->thread.made_ready ? "" : "made ready twice";
    };
    return program;
  });
}

TEST(WakeTokenModel, NoWakeIsLost) {
  for (const auto& [waits, strays] : {std::pair{1u, 0u}, {1u, 1u}, {2u, 0u}}) {
    const Exploration result = ExploreWaits<model::Atomic>(waits, strays);
    EXPECT_TRUE(result.complete) << waits << " " << strays;
    EXPECT_EQ(result.failure, "") << result.executions;
  }
}

// A change into what is there already, made without the locked instruction.
template <typename T>
class LooksFirst : public model::Atomic<T> {
 public:
  using model::Atomic<T>::Atomic;
  bool compare_exchange_strong(T& expected, T desired) {
    if (expected != desired)
      return model::Atomic<T>::compare_exchange_strong(expected, desired);
    const T seen = this->load();
    const bool same = seen == expected;
    expected = seen;
    return same;
  }
};

TEST(WakeTokenModel, WithAMereLookAtTheTokenOneWouldBe) {
  EXPECT_EQ(ExploreWaits<LooksFirst>(1, 0).failure, "");  // it takes a token left over
  EXPECT_NE(ExploreWaits<LooksFirst>(1, 1).failure.find("nothing can wake it"), std::string::npos);
}

// Blocking without looking whether a token is there.
template <typename T>
class BlindlyBlocks : public model::Atomic<T> {
 public:
  using model::Atomic<T>::Atomic;
  bool compare_exchange_strong(T& expected, T desired) {
    constexpr T kRunning = 0, kBlocked = 2;
    if (expected != kRunning || desired != kBlocked)
      return model::Atomic<T>::compare_exchange_strong(expected, desired);
    this->store(desired);
    return true;
  }
};

TEST(WakeTokenModel, BlockingWithoutALookOneWouldBe) {
  EXPECT_NE(ExploreWaits<BlindlyBlocks>(1, 0).failure.find("nothing can wake it"),
            std::string::npos);
}

}  // namespace
}  // namespace k42
