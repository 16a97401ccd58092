// The counting of calls in a hot swap (call_count.h, count_down.h), put together as mediator.cc,
// cpu_steps.cc and swap.cc do, under every interleaving: CPUs that call and take messages between
// any two of their steps, and the swap's thread, whose deadline may come at any moment.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "cobj/call_count.h"
#include "cobj/count_down.h"
#include "model/interleave.h"

namespace k42::cobj {
namespace {

using Phase = CallCount::Phase;

enum class Fault { kNone, kReportsWithCallsInside, kNoReportAtTheEnd, kNoHold };

enum : std::uint32_t { kBlockMessage = 1, kEndMessage = 2 };          // to a CPU
enum : std::uint32_t { kNobodyInside = 1, kAllOver = 2, kLate = 4 };  // home, to the swap's thread

template <template <typename> typename Atomic>
struct World {
  World(std::size_t cpu_count, bool has_deadline, Fault fault_of_test)
      : cpus(cpu_count), may_be_abandoned(has_deadline), fault(fault_of_test) {}

  const std::size_t cpus;       // one or two
  const bool may_be_abandoned;  // the deadline comes when the thread goes on
  const Fault fault;
  std::array<CallCount, 2> counts;
  BasicCountDown<Atomic> reports{static_cast<std::uint32_t>(cpus)};
  BasicCountDown<Atomic> ends{static_cast<std::uint32_t>(cpus)};
  BasicCountDown<Atomic> holds{1};
  std::array<model::Atomic<std::uint32_t>, 2> messages{};
  model::Atomic<std::uint32_t> home{0};
  // What calls have done to the old object and to the new one, on each CPU.
  std::array<model::Atomic<std::uint32_t>, 2> old_object{};
  std::array<model::Atomic<std::uint32_t>, 2> new_object{};
  model::Atomic<std::uint32_t> retired{0};  // the mediator
  bool swapped = false;
  std::uint32_t transferred = 0;
  std::string wrong;

  static void CountOn(model::Atomic<std::uint32_t>& object) {
    object.store(object.OwnView() + 1, std::memory_order_relaxed);
  }
  void Report() {
    if (reports.Down())
      home.fetch_or(kNobodyInside);
  }
  void Release() {
    if (holds.Down() && retired.fetch_add(1) != 0)
      wrong = "retired twice";
  }

  // -- a CPU --
  void TakeMessages(std::size_t cpu) {
    const std::uint32_t taken = messages[cpu].exchange(0);
    if ((taken & kBlockMessage) != 0 &&
        (counts[cpu].Block() || fault == Fault::kReportsWithCallsInside))
      Report();
    if ((taken & kEndMessage) != 0) {
      if (counts[cpu].End() && fault != Fault::kNoHold)
        holds.Add();
      if (ends.Down())
        home.fetch_or(kAllOver);
    }
  }
  void AwaitEnd(std::size_t cpu) {
    while (counts[cpu].phase() != Phase::kOver) {
      model::Wait([this, cpu] { return messages[cpu].Peek() != 0; });
      TakeMessages(cpu);
    }
  }
  // `depth` more calls of the same object are made from within.
  void Call(std::size_t cpu, int depth, bool inside) {
    if (counts[cpu].phase() == Phase::kBlock && !inside)
      AwaitEnd(cpu);
    if (counts[cpu].phase() == Phase::kOver) {
      for (int i = 0; i <= depth; ++i) CountOn(swapped ? new_object[cpu] : old_object[cpu]);
      return;
    }
    counts[cpu].Enter();
    TakeMessages(cpu);
    if (depth != 0)
      Call(cpu, depth - 1, true);
    CountOn(old_object[cpu]);
    if (may_be_abandoned && retired.load(std::memory_order_relaxed) != 0)
      wrong = "retired with a counted call inside";
    switch (counts[cpu].Leave()) {
      case CallCount::Left::kNothing:
        return;
      case CallCount::Left::kReport:
        return fault == Fault::kNoReportAtTheEnd ? void() : Report();
      case CallCount::Left::kRelease:
        return Release();
    }
  }

  // -- the swap --
  void Swap() {
    for (std::size_t cpu = 0; cpu < cpus; ++cpu) messages[cpu].fetch_or(kBlockMessage);
    if (!may_be_abandoned)
      model::Wait([this] { return home.Peek() != 0; });
    if (home.load(std::memory_order_acquire) != 0) {
      for (std::size_t cpu = 0; cpu < cpus; ++cpu)
        transferred += old_object[cpu].load(std::memory_order_relaxed);
      swapped = true;
    }
    for (std::size_t cpu = 0; cpu < cpus; ++cpu) messages[cpu].fetch_or(kEndMessage);
    model::Wait([this] { return (home.Peek() & kAllOver) != 0; });
    // CpuSteps::Settle: from here on no report may come.
    if (!reports.over())
      home.fetch_or(kLate);
    else
      model::Wait([this] { return (home.Peek() & kNobodyInside) != 0; });
    Release();
  }

  std::string Check(std::uint32_t calls) const {
    if (!wrong.empty())
      return wrong;
    if (retired.Peek() != 1)
      return "the mediator stays";
    if ((home.Peek() & (kLate | kNobodyInside)) == (kLate | kNobodyInside))
      return "a report after the end";
    const std::uint32_t on_old = old_object[0].Peek() + old_object[1].Peek();
    if (swapped && transferred != on_old)
      return "a call inside the old object during the transfer";
    return on_old + new_object[0].Peek() + new_object[1].Peek() == calls ? "" : "calls are missing";
  }
};

// Calls from each CPU, each with so many more from within it.
struct Calls {
  int count;
  int depth;
};

template <template <typename> typename Atomic = model::Atomic>
model::Exploration ExploreSwap(const std::vector<Calls>& calls, bool has_deadline,
                               Fault fault = Fault::kNone) {
  return model::Explore([=] {
    auto world = std::make_shared<World<Atomic>>(calls.size(), has_deadline, fault);
    model::Program program;
    std::uint32_t expected = 0;
    for (std::size_t cpu = 0; cpu < calls.size(); ++cpu) {
      expected += static_cast<std::uint32_t>(calls[cpu].count * (calls[cpu].depth + 1));
      program.threads.push_back([=] {
        for (int i = 0; i < calls[cpu].count; ++i) {
          world->TakeMessages(cpu);
          world->Call(cpu, calls[cpu].depth, false);
        }
        world->AwaitEnd(cpu);
      });
    }
    program.threads.push_back([=] { world->Swap(); });
    program.check = [=] { return world->Check(expected); };
    return program;
  });
}

void ExpectHolds(const model::Exploration& result) {
  EXPECT_TRUE(result.complete) << result.executions;
  EXPECT_EQ(result.failure, "");
}

TEST(SwapModel, NobodyIsInsideDuringTheTransfer) {
  ExpectHolds(ExploreSwap({{1, 0}, {1, 0}}, false));
  ExpectHolds(ExploreSwap({{1, 1}}, false));
  ExpectHolds(ExploreSwap({{2, 0}}, false));
}

TEST(SwapModel, AbandonedAtAnyMomentItEndsOnce) {
  ExpectHolds(ExploreSwap({{1, 1}}, true));
  ExpectHolds(ExploreSwap({{1, 0}, {0, 0}}, true));
}

TEST(SwapModel, AReportWithCallsInsideIsFound) {
  EXPECT_NE(ExploreSwap({{1, 0}}, false, Fault::kReportsWithCallsInside).failure, "");
}

TEST(SwapModel, ALeaveThatForgetsToReportIsFound) {
  EXPECT_NE(ExploreSwap({{1, 0}}, false, Fault::kNoReportAtTheEnd).failure, "");
}

TEST(SwapModel, AnEndThatDoesNotHoldTheMediatorIsFound) {
  EXPECT_NE(ExploreSwap({{1, 0}}, true, Fault::kNoHold).failure, "");
}

// A count-down that reads, then writes: two CPUs may both not be the last.
template <typename T>
class CountsInTwoSteps : public model::Atomic<T> {
 public:
  using model::Atomic<T>::Atomic;
  T fetch_sub(T by, std::memory_order) {
    const T old = this->load();
    this->store(old - by, std::memory_order_release);
    return old;
  }
};

TEST(SwapModel, ACountDownInTwoStepsIsFound) {
  const model::Exploration result = ExploreSwap<CountsInTwoSteps>({{0, 0}, {0, 0}}, false);
  EXPECT_NE(result.failure.find("nothing can wake it"), std::string::npos) << result.failure;
}

}  // namespace
}  // namespace k42::cobj
