// The counter's two implementations take each other's place under calls from all CPUs: the sum is
// exact, and what each caller gets only grows.
#include "global/object_classes.h"

#include <gtest/gtest.h>

#include <atomic>

#include "support/node_fixture.h"

namespace k42::global {
namespace {

using machine::hosted::RunOnAllCpus;

class Classes : public test::ObjectFixture {};

TEST_F(Classes, TheCounterIsSwappedUnderCalls) {
  constexpr int kSwaps = 30;
  auto& classes =
      *new ObjectClasses;  // outlives what the swaps leave, which counts itself off there
  const auto counter =
      cobj::Ref<IClusterCounter>::FromBits(classes.Make(ObjectClass::kCounter, 0).value());
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> total{0};
  std::uint64_t version = 1;
  RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu == 0) {
      for (int i = 0; i < kSwaps; ++i) {
        const auto next =
            classes.NextVersion(ObjectClass::kCounter, machine::MonotonicNs() + 20'000'000'000);
        ASSERT_TRUE(next.ok()) << StatusName(next.status());
        ASSERT_EQ(next.value(), ++version);
      }
      stop = true;
      return;
    }
    std::uint64_t last = 0, mine = 0;
    while (!stop) {
      for (int i = 0; i < 20; ++i) {
        const auto value = counter->Add(cpu);
        ASSERT_TRUE(value.ok());
        ASSERT_GE(value.value(), last + cpu);
        last = value.value();
        mine += cpu;
      }
      test::QuietPoint();
    }
    total += mine;
  });
  EXPECT_EQ(counter->Read().value(), total.load());
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
  EXPECT_TRUE(Eventually([&] { return classes.CounterCount() == 0; }));
}

TEST_F(Classes, WhatMakesNoSenseIsRefused) {
  ObjectClasses classes;
  EXPECT_EQ(classes.Make(ObjectClass::kBarrier, 0).status(), Status::kInvalidArgument);
  EXPECT_EQ(classes.Make(ObjectClass::kBarrier, 65).status(), Status::kInvalidArgument);
  EXPECT_EQ(classes.Make(static_cast<ObjectClass>(7), 1).status(), Status::kInvalidArgument);
  EXPECT_EQ(classes.NextVersion(ObjectClass::kBarrier, ~std::uint64_t{0}).status(),
            Status::kNotSupported);
}

}  // namespace
}  // namespace k42::global
