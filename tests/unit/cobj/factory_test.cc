// Factories: they know what lives, and turn all of it into the next version under load.
#include "cobj/factory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "idl/counter.forward.h"
#include "support/counters.h"
#include "support/node_fixture.h"

namespace k42::cobj {
namespace {

using idl::ICounter;
using machine::hosted::RunOnAllCpus;
using test::ReplicatedCounter;
using test::SharedCounter;

class Factories : public test::ObjectFixture {
 protected:
  static Result<Root*> MakeFirst(Allocator& allocator) {
    return static_cast<Root*>(TRY(allocator.Make<SharedRoot<SharedCounter>>()));
  }
  static Result<Root*> MakeSecond(Allocator& allocator) {
    return static_cast<Root*>(
        TRY(allocator.Make<ReplicatedRoot<ReplicatedCounter>>(allocator, 1u)));
  }
  static Result<Root*> MakeNone(Allocator&) { return Status::kNoMemory; }

  ClassVersion Version(std::uint32_t number, RootMaker maker) {
    codes_[number].SetMaker(maker);
    return {number, &codes_[number]};
  }

 private:
  CodeUse codes_[8];
};

TEST_F(Factories, CountWhatLives) {
  auto& factory =
      *new Factory<ICounter>(1, &MakeFirst);  // outlives its last instance's grace period
  std::atomic<std::int64_t> expected{0};
  RunOnAllCpus([&](machine::CpuId cpu) {
    std::vector<Ref<ICounter>> mine;
    for (std::uint32_t i = 0; i < 200; ++i) {
      if (mine.empty() || (i * 7 + cpu) % 3 != 0) {
        mine.push_back(factory.Create().value());
        ++expected;
      } else {
        EXPECT_EQ(Destroy(mine.back()), Status::kOk);
        mine.pop_back();
        --expected;
      }
      test::QuietPoint();
    }
  });
  EXPECT_TRUE(
      Eventually([&] { return factory.count() == static_cast<std::uint64_t>(expected.load()); }));
}

TEST_F(Factories, UpdateAllUnderLoad) {
  auto& factory = *new Factory<ICounter>(1, &MakeFirst);
  constexpr std::size_t kObjects = 100;
  static std::vector<Ref<ICounter>> objects;
  for (std::size_t i = 0; i < kObjects; ++i) objects.push_back(factory.Create().value());
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> total{0};
  EXPECT_EQ(factory.Update(Version(3, &MakeSecond)).status(), Status::kVersionMismatch);
  RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu == 0) {
      EXPECT_EQ(factory.Outdated(), 0u);
      EXPECT_EQ(factory.Update(Version(2, &MakeSecond)).value(), 0u);
      stop = true;
      return;
    }
    std::uint64_t mine = 0;
    for (std::size_t i = cpu; !stop; i += 3) {
      ASSERT_TRUE(objects[i % kObjects]->Increment(1).ok());
      ++mine;
      if (i % 5 == 0)
        test::QuietPoint();
    }
    total += mine;
  });
  EXPECT_EQ(factory.version(), 2u);
  EXPECT_EQ(factory.Outdated(), 0u);
  EXPECT_EQ(factory.count(), kObjects);
  std::uint64_t sum = 0;
  for (const auto object : objects) {
    sum += object->Value().value();
    EXPECT_EQ(Destroy(object), Status::kOk);
  }
  EXPECT_EQ(sum, total.load());
  EXPECT_TRUE(Eventually([&] { return factory.count() == 0; }));
}

TEST_F(Factories, WhatCouldNotBeSwappedIsTriedAgain) {
  auto& factory = *new Factory<ICounter>(1, &MakeFirst);
  const auto object = factory.Create().value();
  (void)object->Increment(5);
  EXPECT_EQ(factory.Update(Version(2, &MakeNone)).value(), 1u);
  EXPECT_EQ(factory.Outdated(), 1u);
  EXPECT_EQ(object->Value().value(), 5u);
  EXPECT_EQ(factory.Update(Version(3, &MakeSecond)).value(), 0u);
  EXPECT_EQ(factory.Outdated(), 0u);
  EXPECT_EQ(object->Value().value(), 5u);
  EXPECT_EQ(Destroy(object), Status::kOk);
  EXPECT_TRUE(Eventually([&] { return factory.count() == 0; }));
}

// The next update comes while an object is swapped, which may take long.
TEST_F(Factories, AnUpdateThatWasOvertakenUndoesNothing) {
  static Factory<ICounter>* factory = nullptr;
  static ClassVersion next;
  factory = new Factory<ICounter>(1, &MakeFirst);
  constexpr std::size_t kObjects = 5;
  std::vector<Ref<ICounter>> objects;
  for (std::size_t i = 0; i < kObjects; ++i) objects.push_back(factory->Create().value());
  next = Version(3, &MakeFirst);
  const auto overtaken = [](Allocator& allocator) -> Result<Root*> {
    if (factory->version() == 2) {
      EXPECT_EQ(factory->Update(next).value(), 0u);
    }
    return MakeSecond(allocator);
  };
  EXPECT_EQ(factory->Update(Version(2, overtaken)).value(), 0u);
  EXPECT_EQ(factory->version(), 3u);
  EXPECT_EQ(factory->Outdated(), 0u);
  for (const auto object : objects) EXPECT_EQ(Destroy(object), Status::kOk);
  EXPECT_TRUE(Eventually([&] { return factory->count() == 0; }));
}

}  // namespace
}  // namespace k42::cobj
