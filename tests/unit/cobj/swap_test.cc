// Hot swap under calls from all CPUs: nothing lost, nothing doubled, no error.
#include "cobj/swap.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "idl/counter.forward.h"
#include "support/counters.h"
#include "support/node_fixture.h"

namespace k42::cobj {
namespace {

using idl::ICounter;
using machine::hosted::RunOn;
using machine::hosted::RunOnAllCpus;
using test::ReplicatedCounter;
using test::SharedCounter;

class Swapping : public test::ObjectFixture {
 protected:
  Allocator& allocator() { return objects_->allocator(); }
  Root* NewShared() { return allocator().Make<SharedRoot<SharedCounter>>().value(); }
  Root* NewReplicated(std::uint32_t factor) {
    return allocator().Make<ReplicatedRoot<ReplicatedCounter>>(allocator(), factor).value();
  }
};

TEST_F(Swapping, StateAndReferenceStay) {
  const auto counter = MakeShared<SharedCounter>().value();
  RunOnAllCpus([&](machine::CpuId) { (void)counter->Increment(10); });
  EXPECT_EQ(SwapObject(counter, NewReplicated(1)), Status::kOk);
  EXPECT_EQ(counter->Value().value(), 40u);
  RunOnAllCpus([&](machine::CpuId) { (void)counter->Increment(1); });
  EXPECT_EQ(SwapObject(counter, NewReplicated(2)), Status::kOk);
  EXPECT_EQ(counter->Value().value(), 44u);
  EXPECT_EQ(SwapObject(counter, NewShared()), Status::kOk);
  RunOn(3, [&] { EXPECT_EQ(counter->Value().value(), 44u); });
  EXPECT_EQ(Destroy(counter), Status::kOk);
}

TEST_F(Swapping, AnObjectNobodyEverCalled) {
  const auto counter = MakeShared<SharedCounter>(std::uint64_t{5}).value();
  EXPECT_EQ(SwapObject(counter, NewReplicated(1)), Status::kOk);
  EXPECT_TRUE(counter->Value().ok());
  EXPECT_EQ(Destroy(counter), Status::kOk);
  EXPECT_EQ(SwapObject(counter, NewShared()), Status::kDeleted);
}

TEST_F(Swapping, UnderCallsFromAllCpusNothingIsLost) {
  const auto counter = MakeShared<SharedCounter>().value();
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> total{0};
  int swaps = 0;
  RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu == 0) {
      const std::uint64_t end = machine::MonotonicNs() + 400'000'000;
      while (machine::MonotonicNs() < end || swaps < 4) {  // a busy host takes its time
        Root* next = swaps % 3 == 0   ? NewReplicated(1)
                     : swaps % 3 == 1 ? NewReplicated(2)
                                      : NewShared();
        const Status swapped = SwapObject(counter, next);
        EXPECT_EQ(swapped, Status::kOk);
        if (swapped != Status::kOk)
          break;
        ++swaps;
        std::this_thread::sleep_for(std::chrono::microseconds(500));
      }
      stop = true;
      return;
    }
    std::uint64_t mine = 0;
    while (!stop) {
      for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(counter->Increment(1).ok());
        ++mine;
      }
      test::QuietPoint();
    }
    total += mine;
  });
  EXPECT_EQ(counter->Value().value(), total.load());
  RecordProperty("swaps", swaps);
  EXPECT_EQ(Destroy(counter), Status::kOk);
}

// A counter that needs another form.
class Stranger final : public ICounter {
 public:
  using Interface = ICounter;
  Result<std::uint64_t> Increment(std::uint64_t) override { return Status::kNotSupported; }
  Result<std::uint64_t> Value() override { return Status::kNotSupported; }
  static constexpr TransferForms kExportForms = FormBit(9);
  static constexpr TransferForms kImportForms = FormBit(9);
  Status Export(const TransferStep&) { return Status::kOk; }
  Status Import(const TransferStep&) { return Status::kOk; }
};
// One that agrees and then fails.
class Failing final : public ICounter {
 public:
  using Interface = ICounter;
  Result<std::uint64_t> Increment(std::uint64_t) override { return Status::kNotSupported; }
  Result<std::uint64_t> Value() override { return Status::kNotSupported; }
  static constexpr TransferForms kExportForms = FormBit(test::kCounterSum);
  static constexpr TransferForms kImportForms = FormBit(test::kCounterSum);
  Status Export(const TransferStep&) { return Status::kOk; }
  Status Import(const TransferStep&) { return Status::kNoMemory; }
};

TEST_F(Swapping, RefusedBeforeAnythingIsDisturbed) {
  const auto counter = MakeShared<SharedCounter>().value();
  (void)counter->Increment(7);
  const std::uint64_t misses = objects_->counts().misses;
  EXPECT_EQ(SwapObject(counter, allocator().Make<SharedRoot<Stranger>>().value()),
            Status::kRefused);
  EXPECT_EQ(counter->Value().value(), 7u);
  EXPECT_EQ(objects_->counts().misses, misses);  // not even the slot
  EXPECT_EQ(Destroy(counter), Status::kOk);
}

TEST_F(Swapping, AFailedTransferLeavesTheOldOne) {
  const auto counter = MakeShared<SharedCounter>().value();
  RunOnAllCpus([&](machine::CpuId) { (void)counter->Increment(7); });
  EXPECT_EQ(SwapObject(counter, allocator().Make<SharedRoot<Failing>>().value()),
            Status::kNoMemory);
  RunOnAllCpus([&](machine::CpuId) { (void)counter->Increment(1); });
  EXPECT_EQ(counter->Value().value(), 32u);
  EXPECT_EQ(Destroy(counter), Status::kOk);
}

// Its Increment waits until let go; with a peer, it goes on to that one, which may come back.
class Slow final : public ICounter {
 public:
  using Interface = ICounter;
  explicit Slow(Ref<ICounter> peer = {}) : peer_(peer) {}
  Result<std::uint64_t> Increment(std::uint64_t amount) override {
    inside.fetch_add(1);
    while (!let_go) machine::Thread::Yield();
    if (peer_ && amount > 0)
      TRY(peer_->Increment(amount - 1));
    return value_.fetch_add(1) + 1;
  }
  Result<std::uint64_t> Value() override { return value_.load(); }
  void SetPeer(Ref<ICounter> peer) { peer_ = peer; }
  static constexpr TransferForms kExportForms = FormBit(test::kCounterSum);
  static constexpr TransferForms kImportForms = FormBit(test::kCounterSum);
  Status Export(const TransferStep& step) {
    step.part() = value_.load();
    return Status::kOk;
  }
  Status Import(const TransferStep&) { return Status::kOk; }

  static inline std::atomic<bool> let_go{false};
  static inline std::atomic<int> inside{0};

 private:
  Ref<ICounter> peer_;
  std::atomic<std::uint64_t> value_{0};
};

TEST_F(Swapping, AbandonedAtTheDeadlineThenTheOldOneGoesOn) {
  static Ref<ICounter> slow;
  static std::atomic<std::uint64_t> result;
  Slow::let_go = false;
  Slow::inside = result = 0;
  slow = MakeShared<Slow>().value();
  (void)machine::Thread::Create(
      "inside",
      [](void*) {
        // Once before the swap's forward phase ends, so that the call is a counted one: it starts
        // when the slot is empty.
        while (!Slow::let_go && Slow::inside == 0) result = slow->Increment(0).ValueOr(99);
      },
      nullptr, 1);
  // The call that is inside began uncounted: the forward phase waits for its thread. Let it go
  // late.
  std::thread later([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    Slow::let_go = true;
  });
  EXPECT_EQ(SwapObject(slow, NewShared()), Status::kOk);
  EXPECT_EQ(slow->Value().value(), result.load());
  later.join();
  EXPECT_EQ(Destroy(slow), Status::kOk);
}

// An uncounted call stays inside beyond the deadline: the forward phase gives up, nobody is left
// waiting, and a later swap succeeds.
TEST_F(Swapping, AnUncountedCallHoldsTheSwapUntilTheDeadline) {
  static Ref<ICounter> slow;
  static std::atomic<std::uint64_t> result;
  Slow::let_go = false;
  Slow::inside = result = 0;
  slow = MakeShared<Slow>().value();
  (void)machine::Thread::Create(
      "inside", [](void*) { result = slow->Increment(0).ValueOr(99); }, nullptr, 1);
  ASSERT_TRUE(Eventually([] { return Slow::inside == 1; }));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(SwapObject(slow, NewShared(), 20'000'000), Status::kTimedOut);
    RunOnAllCpus([&](machine::CpuId cpu) {
      if (cpu != 1) {
        EXPECT_EQ(slow->Value().value(), 0u);
      }
    });
  }
  EXPECT_EQ(result, 0u);
  Slow::let_go = true;
  EXPECT_TRUE(Eventually([] { return result == 1; }));
  EXPECT_EQ(SwapObject(slow, NewShared()), Status::kOk);
  EXPECT_EQ(slow->Value().value(), 1u);
  EXPECT_EQ(Destroy(slow), Status::kOk);
}

// A destruction after an abandoned swap waits for the call that is still inside.
TEST_F(Swapping, WhatAnAbandonedSwapLeftInsideIsWaitedFor) {
  static Ref<ICounter> slow;
  static std::atomic<std::uint64_t> result;
  Slow::let_go = false;
  Slow::inside = result = 0;
  slow = MakeShared<Slow>().value();
  (void)machine::Thread::Create(
      "inside", [](void*) { result = slow->Increment(0).ValueOr(99); }, nullptr, 1);
  ASSERT_TRUE(Eventually([] { return Slow::inside == 1; }));
  EXPECT_EQ(SwapObject(slow, NewShared(), 20'000'000), Status::kTimedOut);
  const std::uint64_t disposed = objects_->counts().disposed;
  EXPECT_EQ(Destroy(slow), Status::kOk);
  for (int i = 0; i < 100; ++i) {
    test::QuietPoint();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  EXPECT_EQ(objects_->counts().disposed, disposed);
  Slow::let_go = true;
  EXPECT_TRUE(Eventually([] { return result == 1; }));
}

// A counted call stays inside beyond the deadline.
TEST_F(Swapping, ACountedCallHoldsTheSwapUntilTheDeadline) {
  static Ref<ICounter> slow;
  static std::atomic<int> stage;
  stage = 0;
  Slow::let_go = true;
  Slow::inside = 0;
  slow = MakeShared<Slow>().value();
  (void)slow->Increment(0);
  Slow::let_go = false;
  // Enters as soon as calls are counted: a call from CPU 2 misses to the mediator.
  std::thread caller([] {
    while (stage == 0) std::this_thread::yield();
    // The swap begins meanwhile, and stays in its forward phase until this call is inside. (A call
    // that enters before it has begun is not counted.)
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const machine::hosted::OnCpu on(2);
    EXPECT_EQ(slow->Increment(0).value(), 2u);
    stage = 2;
  });
  // The forward phase is held open by an active thread on CPU 0's slot owner.
  static std::atomic<bool> hold;
  hold = true;
  (void)machine::Thread::Create(
      "holder",
      [](void*) {
        stage = 1;
        while (hold) machine::Thread::Yield();
      },
      nullptr, 0);
  while (stage == 0) machine::Thread::Yield();
  std::thread release([] {
    while (Slow::inside < 2) std::this_thread::yield();
    hold = false;
  });
  EXPECT_EQ(SwapObject(slow, NewShared(), 2'000'000'000), Status::kTimedOut);
  EXPECT_EQ(stage, 1);  // still inside
  Slow::let_go = true;
  EXPECT_TRUE(Eventually([] { return stage == 2; }));
  {
    const machine::hosted::WithoutCpu without;
    caller.join();
    release.join();
  }
  EXPECT_EQ(slow->Value().value(), 2u);
  EXPECT_EQ(SwapObject(slow, NewShared()), Status::kOk);
  EXPECT_EQ(slow->Value().value(), 2u);
  EXPECT_EQ(Destroy(slow), Status::kOk);
}

TEST_F(Swapping, RecursionThroughAnotherObjectDoesNotDeadlock) {
  static Ref<ICounter> first;
  Slow::let_go = true;
  auto* first_root = allocator().Make<SharedRoot<Slow>>().value();
  first = PublishRoot(first_root).value();
  const auto second = MakeShared<Slow>(first).value();
  first_root->rep().SetPeer(second);
  std::atomic<bool> stop{false};
  RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu == 0) {
      for (int i = 0; i < 20; ++i) {
        auto* next = allocator().Make<SharedRoot<Slow>>(second).value();
        ASSERT_EQ(SwapObject(first, next), Status::kOk);
      }
      stop = true;
      return;
    }
    while (!stop) {
      for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(first->Increment(4).ok());  // first, second, first, second, first
      }
      test::QuietPoint();
    }
  });
  EXPECT_EQ(Destroy(first), Status::kOk);
  EXPECT_EQ(Destroy(second), Status::kOk);
}

TEST_F(Swapping, DestroyDuringASwapHappensAtItsEnd) {
  for (int round = 0; round < 150; ++round) {
    const auto counter = MakeShared<SharedCounter>().value();
    RunOnAllCpus([&](machine::CpuId cpu) {
      if (cpu == 0) {
        const Status swapped = SwapObject(counter, NewReplicated(1));
        EXPECT_TRUE(swapped == Status::kOk || swapped == Status::kDeleted);
      } else if (cpu == 1) {
        EXPECT_EQ(Destroy(counter), Status::kOk);
      } else {
        const auto value = counter->Increment(1);
        EXPECT_TRUE(value.ok() || value.status() == Status::kDeleted);
      }
    });
    EXPECT_EQ(counter->Value().status(), Status::kDeleted);
  }
}

TEST_F(Swapping, ConcurrentSwapsOfOneObjectExclude) {
  const auto counter = MakeShared<SharedCounter>().value();
  std::atomic<int> done{0}, busy{0};
  RunOnAllCpus([&](machine::CpuId) {
    for (int i = 0; i < 20; ++i) {
      (void)counter->Increment(1);
      const Status status = SwapObject(counter, NewReplicated(1));
      ASSERT_TRUE(status == Status::kOk || status == Status::kBusy);
      status == Status::kOk ? ++done : ++busy;
    }
  });
  EXPECT_GT(done.load(), 0);
  EXPECT_EQ(counter->Value().value(), 80u);
  EXPECT_EQ(Destroy(counter), Status::kOk);
}

}  // namespace
}  // namespace k42::cobj
