// Private memory shown by 2 MiB pages: when it is, and that nobody can tell but by the time it
// takes.
#include "machine/hosted.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

constexpr Protection kReadWrite = kProtectRead | kProtectWrite;
constexpr std::uint64_t kAt = 0x4000'0000;
constexpr std::uint64_t kPages = kPagesPerLargePage;

struct LargePagesTest : testing::Test {
  ~LargePagesTest() override {
    machine::hosted::RunOnAllCpus(
        [this](machine::CpuId) { Hat::LeaveThisCpu(test.services.loaded_hats); });
    space->Destroy();
    EXPECT_EQ(test.services.loaded_hats.large_pages, 0u);
  }
  std::uint64_t Map(std::uint64_t size, LargePages large, std::uint64_t at = kAt) {
    return space
        ->Map({.address = at,
               .size = size,
               .placement = Placement::kFixed,
               .protection = kReadWrite,
               .large = large})
        .value();
  }
  // A word in each page of [first, end) of kAt.
  void StoreAll(AddressSpace& to, std::uint64_t first, std::uint64_t end, std::uint64_t base) {
    for (std::uint64_t i = first; i < end; ++i) {
      ASSERT_EQ(Store(to, kAt + i * kPageSize + 8, base + i), Status::kOk);
    }
  }
  void ExpectAll(AddressSpace& in, std::uint64_t first, std::uint64_t end, std::uint64_t base) {
    for (std::uint64_t i = first; i < end; ++i) {
      ASSERT_EQ(Load(in, kAt + i * kPageSize + 8).value(), base + i) << i;
    }
  }
  std::uint64_t large() { return space->hat().large_pages(); }
  std::uint64_t resident() { return space->hat().resident_pages(); }
  std::uint64_t free() { return test.frames.allocator->free_frames(); }

  TestServices test;
  AddressSpace* space = AddressSpace::Create(test.services).value();
};

TEST_F(LargePagesTest, AFirstTouchBringsAllThatLiesInTheRegion) {
  // Half a large page, a whole one, half a one.
  const std::uint64_t start = kAt - kLargePageSize / 2;
  Map(2 * kLargePageSize, LargePages::kWanted, start);
  EXPECT_EQ(Load(*space, kAt + 7 * kPageSize).value(), 0u);
  EXPECT_EQ(large(), 1u);
  EXPECT_EQ(resident(), kPages);
  EXPECT_EQ(test.services.loaded_hats.large_pages, 1u);
  StoreAll(*space, 0, kPages, 100);
  ExpectAll(*space, 0, kPages, 100);
  EXPECT_EQ(Store(*space, start, 1), Status::kOk);
  EXPECT_EQ(Store(*space, kAt + kLargePageSize, 1), Status::kOk);
  EXPECT_EQ(resident(), kPages + 2);
  EXPECT_EQ(large(), 1u);
}

TEST_F(LargePagesTest, WhoDoesNotWantThemGetsNone) {
  struct {
    LargePages region;
    LargePolicy policy;
    bool refused;
    bool large;
  } const cases[] = {
      {LargePages::kAsNode, LargePolicy::kWhenWanted, false, false},
      {LargePages::kAsNode, LargePolicy::kAlways, false, true},
      {LargePages::kAsNode, LargePolicy::kAlways, true, false},
      {LargePages::kWanted, LargePolicy::kWhenWanted, true, false},
      {LargePages::kWanted, LargePolicy::kNever, false, false},
      {LargePages::kRefused, LargePolicy::kAlways, false, false},
      {LargePages::kPromised, LargePolicy::kNever, true, true},
  };
  for (const auto& one : cases) {
    test.services.large_policy = one.policy;
    space->RefuseLargePages(one.refused);
    Map(kLargePageSize, one.region);
    ASSERT_EQ(Store(*space, kAt, 1), Status::kOk);
    EXPECT_EQ(large(), one.large ? 1u : 0u) << static_cast<int>(one.region);
    EXPECT_EQ(resident(), one.large ? kPages : 1u);
    ASSERT_EQ(space->Unmap(kAt, kLargePageSize), Status::kOk);
  }
}

TEST_F(LargePagesTest, AdviceDividesARegion) {
  Map(3 * kLargePageSize, LargePages::kAsNode);
  EXPECT_EQ(space->Advise(kAt + kLargePageSize, kLargePageSize, Advice::kLargePages), Status::kOk);
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_EQ(Store(*space, kAt + i * kLargePageSize, 1), Status::kOk);
  }
  EXPECT_EQ(large(), 1u);
  EXPECT_EQ(resident(), kPages + 2);
  // What is there stays.
  EXPECT_EQ(space->Advise(kAt, 3 * kLargePageSize, Advice::kSmallPages), Status::kOk);
  EXPECT_EQ(large(), 1u);
  EXPECT_EQ(space->Advise(kAt, 4 * kLargePageSize, Advice::kLargePages), Status::kOutOfRange);
}

TEST_F(LargePagesTest, APartGoesTheRestStays) {
  const std::uint64_t before = free();
  Map(2 * kLargePageSize, LargePages::kWanted);
  StoreAll(*space, 0, 2 * kPages, 5);
  EXPECT_EQ(large(), 2u);
  const std::uint64_t used = before - free();
  ASSERT_EQ(space->Unmap(kAt + 10 * kPageSize, 3 * kPageSize), Status::kOk);
  EXPECT_EQ(large(), 1u);
  EXPECT_EQ(before - free(), used - 3);
  ExpectAll(*space, 0, 10, 5);
  EXPECT_EQ(Load(*space, kAt + 11 * kPageSize).status(), Status::kBadAddress);
  ExpectAll(*space, 13, 2 * kPages, 5);
  // Forgotten pages are zero again; one that gets its old frame back is large again.
  const std::uint64_t other = kAt + kLargePageSize;
  ASSERT_EQ(space->Advise(other + kPageSize, kPageSize, Advice::kDontNeed), Status::kOk);
  EXPECT_EQ(large(), 0u);
  EXPECT_EQ(Load(*space, other + kPageSize + 8).value(), 0u);
  ExpectAll(*space, kPages + 2, 2 * kPages, 5);
  // All of it forgotten: large again.
  ASSERT_EQ(space->Advise(other, kLargePageSize, Advice::kDontNeed), Status::kOk);
  EXPECT_EQ(Load(*space, other + 8).value(), 0u);
  EXPECT_EQ(large(), 1u);
}

TEST_F(LargePagesTest, ProtectionOfTheWholeKeepsItLarge) {
  Map(kLargePageSize, LargePages::kWanted);
  StoreAll(*space, 0, kPages, 5);
  ASSERT_EQ(space->Protect(kAt, kLargePageSize, kProtectRead), Status::kOk);
  EXPECT_EQ(large(), 1u);
  ExpectAll(*space, 0, kPages, 5);
  EXPECT_EQ(Store(*space, kAt, 1), Status::kPermissionDenied);
  ASSERT_EQ(space->Protect(kAt, kLargePageSize, kReadWrite), Status::kOk);
  StoreAll(*space, 0, kPages, 6);
  EXPECT_EQ(large(), 1u);
  EXPECT_EQ(resident(), kPages);
  ASSERT_EQ(space->Protect(kAt, kLargePageSize, kProtectNone), Status::kOk);
  EXPECT_EQ(Load(*space, kAt).status(), Status::kPermissionDenied);
  EXPECT_EQ(resident(), 0u);
  ASSERT_EQ(space->Protect(kAt, kLargePageSize, kReadWrite), Status::kOk);
  ExpectAll(*space, 0, kPages, 6);
  EXPECT_EQ(large(), 1u);
  // Of a part: both parts are small from then on, the other keeps its rights.
  ASSERT_EQ(space->Protect(kAt, kPageSize, kProtectRead), Status::kOk);
  EXPECT_EQ(Store(*space, kAt, 1), Status::kPermissionDenied);
  StoreAll(*space, 1, kPages, 7);
  EXPECT_EQ(large(), 0u);
}

TEST_F(LargePagesTest, ACopyDividesItUntilItsEnd) {
  Map(2 * kLargePageSize, LargePages::kWanted);
  StoreAll(*space, 0, 2 * kPages, 5);
  AddressSpace* child = space->ForkCopy().value();
  EXPECT_EQ(large(), 0u);
  EXPECT_EQ(Store(*child, kAt + 8, 1), Status::kOk);
  EXPECT_EQ(Store(*space, kAt + kPageSize + 8, 2), Status::kOk);
  ExpectAll(*space, 0, 1, 5);
  ExpectAll(*child, 1, 2 * kPages, 5);
  EXPECT_EQ(child->hat().large_pages(), 0u);
  child->Destroy();
  StoreAll(*space, kPages, 2 * kPages, 9);  // nobody else has it any more, none of it was divided
  EXPECT_EQ(large(), 1u);
  ExpectAll(*space, 2, kPages, 5);
  EXPECT_EQ(large(), 1u);
}

// The page that is touched is nobody else's any more; the others are.
TEST_F(LargePagesTest, ACopyThatHasSomePagesStillIsNotWrittenTo) {
  Map(kLargePageSize, LargePages::kWanted);
  StoreAll(*space, 0, kPages, 5);
  AddressSpace* child = space->ForkCopy().value();
  EXPECT_EQ(Store(*child, kAt + 3 * kPageSize + 8, 1), Status::kOk);
  EXPECT_EQ(Store(*space, kAt + 3 * kPageSize + 8, 2), Status::kOk);
  EXPECT_EQ(Store(*space, kAt + 4 * kPageSize + 8, 3), Status::kOk);
  ExpectAll(*child, 4, kPages, 5);
  EXPECT_EQ(large(), 0u);
  Hat::LeaveThisCpu(test.services.loaded_hats);
  child->Destroy();
}

TEST_F(LargePagesTest, WhatIsMovedStaysOneFrame) {
  Map(kLargePageSize, LargePages::kWanted);
  StoreAll(*space, 0, kPages, 5);
  const std::uint64_t to = kAt + 8 * kLargePageSize;
  ASSERT_EQ(space
                ->Remap({.address = kAt,
                         .size = kLargePageSize,
                         .new_size = kLargePageSize,
                         .may_move = true,
                         .fixed = true,
                         .new_address = to})
                .value(),
            to);
  EXPECT_EQ(large(), 0u);
  EXPECT_EQ(Load(*space, to + 8).value(), 5u);
  EXPECT_EQ(large(), 1u);
  EXPECT_EQ(Load(*space, to + 11 * kPageSize + 8).value(), 16u);
  // Half a large page further it cannot be one.
  const std::uint64_t askew = to + 8 * kLargePageSize + kLargePageSize / 2;
  ASSERT_EQ(space
                ->Remap({.address = to,
                         .size = kLargePageSize,
                         .new_size = 2 * kLargePageSize,
                         .may_move = true,
                         .fixed = true,
                         .new_address = askew})
                .value(),
            askew);
  for (std::uint64_t i = 0; i < kPages; ++i) {
    ASSERT_EQ(Load(*space, askew + i * kPageSize + 8).value(), 5 + i);
  }
  EXPECT_EQ(large(), 0u);
}

TEST_F(LargePagesTest, AnEmptyTableIsNoHindrance) {
  Map(kLargePageSize, LargePages::kAsNode);
  ASSERT_EQ(Store(*space, kAt + kPageSize, 1), Status::kOk);
  ASSERT_EQ(space->Advise(kAt, 4 * kPageSize, Advice::kDontNeed), Status::kOk);
  ASSERT_EQ(space->Advise(kAt, kLargePageSize, Advice::kLargePages), Status::kOk);
  StoreAll(*space, 0, kPages, 5);
  EXPECT_EQ(large(), 1u);
  // A page that is there is.
  ASSERT_EQ(space->Unmap(kAt, kLargePageSize), Status::kOk);
  Map(kLargePageSize, LargePages::kAsNode);
  ASSERT_EQ(Store(*space, kAt + kPageSize, 1), Status::kOk);
  ASSERT_EQ(space->Advise(kAt, kLargePageSize, Advice::kLargePages), Status::kOk);
  StoreAll(*space, 0, kPages, 5);
  EXPECT_EQ(large(), 0u);
}

TEST_F(LargePagesTest, WithoutLargeFramesSmallOnesServe) {
  FrameAllocator& frames = *test.frames.allocator;
  std::vector<Frame*> taken;
  while (frames.large_chunks() != 0) {
    const Result<Frame*> run = frames.AllocateRun(kPages, FramePurpose::kUser);
    if (!run.ok()) {
      break;
    }
    taken.push_back(run.value());
  }
  frames.DropReference(taken.back() + 1);  // some memory, in two pieces
  for (std::uint32_t i = 100; i < 200; ++i) {
    frames.DropReference(taken.back() + i);
  }
  Map(kLargePageSize, LargePages::kWanted);
  StoreAll(*space, 0, 20, 5);
  EXPECT_EQ(large(), 0u);
  EXPECT_EQ(resident(), 20u);
  EXPECT_EQ(space->Map({.size = kLargePageSize, .large = LargePages::kPromised}).status(),
            Status::kNoMemory);
  for (std::uint32_t i = 0; i < kPages; ++i) {
    if (i != 1 && (i < 100 || i >= 200)) {
      frames.DropReference(taken.back() + i);
    }
  }
  taken.pop_back();
  for (Frame* first : taken) {
    frames.FreeRun(first, kPages);
  }
}

TEST_F(LargePagesTest, PromisedOnesAreWholeAndRefusedWhenThereAreNotEnough) {
  const MapRequest request{.address = kAt + 5 * kPageSize,  // a hint
                           .size = kPageSize,
                           .protection = kReadWrite,
                           .large = LargePages::kPromised};
  const std::uint64_t at = space->Map(request).value();
  EXPECT_TRUE(IsAligned(at, kLargePageSize));
  EXPECT_EQ(Store(*space, at + kLargePageSize - 8, 1), Status::kOk);
  EXPECT_EQ(large(), 1u);
  MapRequest wrong = request;
  wrong.placement = Placement::kFixed;
  EXPECT_EQ(space->Map(wrong).status(), Status::kInvalidArgument);
  wrong = request;
  wrong.shared = true;
  EXPECT_EQ(space->Map(wrong).status(), Status::kInvalidArgument);
  wrong = request;
  wrong.size = 30ull << 20;  // of 32 MiB, some of which are not whole or kept
  EXPECT_EQ(space->Map(wrong).status(), Status::kNoMemory);
  EXPECT_EQ(space->Advise(at, kLargePageSize, Advice::kSmallPages), Status::kInvalidArgument);
}

TEST_F(LargePagesTest, PopulatingTakesThemToo) {
  const std::uint64_t free_before = free();
  ASSERT_TRUE(space
                  ->Map({.address = kAt + kLargePageSize - 2 * kPageSize,
                         .size = 2 * kLargePageSize + 4 * kPageSize,
                         .placement = Placement::kFixed,
                         .protection = kReadWrite,
                         .populate = true,
                         .large = LargePages::kWanted})
                  .ok());
  EXPECT_EQ(large(), 2u);
  EXPECT_EQ(resident(), 2 * kPages + 4);
  EXPECT_LE(free_before - free(), 2 * kPages + 4 + 6);
  EXPECT_LE(space->Use().faults, 2 + 6u);
}

TEST_F(LargePagesTest, CopiesByTheKernelTakeThemToo) {
  Map(kLargePageSize, LargePages::kWanted);
  const std::uint64_t value = 77;
  ASSERT_EQ(space->CopyToSpace(kAt + 9 * kPageSize, &value, 8).value(), 8u);
  EXPECT_EQ(Load(*space, kAt + 9 * kPageSize).value(), 77u);
  EXPECT_EQ(large(), 1u);
  std::uint64_t read = 1;
  ASSERT_EQ(space->CopyFromSpace(&read, kAt + 400 * kPageSize, 8).value(), 8u);
  EXPECT_EQ(read, 0u);
}

// Wherever memory runs out the access works or says so, and works afterwards.
TEST_F(LargePagesTest, FailuresLeaveNothingBehind) {
  FailureInjector& failures = test.frames.allocator->failures();
  const std::uint64_t before = free();
  std::uint64_t failed = 1;
  for (std::uint64_t nth = 0; failed != 0; ++nth) {
    Map(2 * kLargePageSize, LargePages::kWanted);
    failures.Arm(nth);
    const Status status = Store(*space, kAt + 3 * kPageSize, 3);
    const Status again = Store(*space, kAt + kLargePageSize, 4);
    AddressSpace* child = space->ForkCopy().ValueOr(nullptr);
    failed = failures.Disarm();
    EXPECT_TRUE(status == Status::kOk || (status == Status::kNoMemory && failed != 0));
    EXPECT_TRUE(again == Status::kOk || (again == Status::kNoMemory && failed != 0));
    ASSERT_EQ(Store(*space, kAt + 3 * kPageSize, 5), Status::kOk);
    EXPECT_EQ(Load(*space, kAt + kPageSize).value(), 0u);
    if (child != nullptr) {
      EXPECT_EQ(Load(*child, kAt + 3 * kPageSize).value(), status == Status::kOk ? 3u : 0u);
      Hat::LeaveThisCpu(test.services.loaded_hats);
      child->Destroy();
    }
    ASSERT_EQ(space->Unmap(kAt, 2 * kLargePageSize), Status::kOk);
  }
  EXPECT_GE(free() + 3, before);  // but tables
}

// A translation of the large page, in another CPU's TLB, is gone when any part of it is.
TEST_F(LargePagesTest, OtherCpusLoseAllOfIt) {
  Map(2 * kLargePageSize, LargePages::kWanted);
  std::atomic<int> step{0};
  const auto await = [&step](int at) {
    while (step < at) {
      machine::Thread::Yield();
    }
  };
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu == 0) {
      StoreAll(*space, 0, kPages, 5);
      step = 1;
      await(2);
      ASSERT_EQ(space->Unmap(kAt + 100 * kPageSize, kPageSize), Status::kOk);
      step = 3;
      await(4);
      ASSERT_EQ(Store(*space, kAt + 8, 6), Status::kOk);
      ASSERT_EQ(space->Protect(kAt, kPageSize, kProtectNone), Status::kOk);
      step = 5;
    } else if (cpu == 1) {
      await(1);
      ExpectAll(*space, 0, kPages, 5);
      step = 2;
      await(3);
      EXPECT_EQ(Load(*space, kAt + 100 * kPageSize).status(), Status::kBadAddress);
      ExpectAll(*space, 0, 100, 5);
      ExpectAll(*space, 101, kPages, 5);
      step = 4;
      await(5);
      EXPECT_EQ(Load(*space, kAt + 8).status(), Status::kPermissionDenied);
      ExpectAll(*space, 1, 100, 5);
    }
  });
}

// All CPUs touch the same large pages first, at once: one makes each, and no write is lost.
TEST_F(LargePagesTest, OneOfManyMakesIt) {
  for (int round = 0; round < 20; ++round) {
    Map(2 * kLargePageSize, LargePages::kWanted);
    machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
      for (std::uint64_t i = 0; i < 2 * kPages; i += 31) {
        const std::uint64_t word = kAt + i * kPageSize + cpu * 8;
        ASSERT_EQ(Load(*space, word).value(), 0u);
        ASSERT_EQ(Store(*space, word, i + cpu), Status::kOk);
      }
    });
    for (std::uint64_t i = 0; i < 2 * kPages; i += 31) {
      for (std::uint64_t cpu = 0; cpu < machine::CpuCount(); ++cpu) {
        ASSERT_EQ(Load(*space, kAt + i * kPageSize + cpu * 8).value(), i + cpu);
      }
    }
    ASSERT_EQ(space->Unmap(kAt, 2 * kLargePageSize), Status::kOk);
  }
}

}  // namespace
}  // namespace k42::mem
