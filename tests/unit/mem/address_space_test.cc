#include "mem/address_space.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "mem/fcm_on_demand.h"
#include "mem/fcm_pinned.h"
#include "unit/mem/beside.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

constexpr Protection kReadWrite = kProtectRead | kProtectWrite;

struct SpaceTest : testing::Test {
  ~SpaceTest() override {
    if (space != nullptr) {
      space->Destroy();
    }
  }
  std::uint64_t MapAnonymous(std::uint64_t pages, Protection protection = kReadWrite) {
    return space->Map({.size = pages * kPageSize, .protection = protection}).value();
  }
  TestServices test;
  AddressSpace* space = AddressSpace::Create(test.services).value();
};

TEST_F(SpaceTest, AnonymousMemoryIsZeroAndKeepsWhatIsWritten) {
  const std::uint64_t at = MapAnonymous(4);
  EXPECT_EQ(Load(*space, at).value(), 0u);
  EXPECT_EQ(Store(*space, at + 8, 7), Status::kOk);
  EXPECT_EQ(Load(*space, at + 8).value(), 7u);
  EXPECT_EQ(Load(*space, at + 3 * kPageSize).value(), 0u);
  EXPECT_EQ(Load(*space, at - 8).status(), Status::kBadAddress);
  EXPECT_EQ(Load(*space, at + 4 * kPageSize).status(), Status::kBadAddress);
  EXPECT_EQ(space->Use().resident, 2 * kPageSize);
}

TEST_F(SpaceTest, PlacesTopDownAndHonoursHints) {
  const std::uint64_t first = MapAnonymous(1);
  EXPECT_EQ(first, abi::kUserMapLimit - kPageSize);
  const std::uint64_t hint = 0x5000'0000;
  EXPECT_EQ(space->Map({.address = hint, .size = kPageSize}).value(), hint);
  EXPECT_NE(space->Map({.address = hint, .size = kPageSize}).value(), hint);
  EXPECT_EQ(
      space->Map({.address = hint, .size = 1, .placement = Placement::kFixedNoReplace}).status(),
      Status::kAlreadyExists);
  EXPECT_EQ(space->Map({.address = 0, .size = 1, .placement = Placement::kFixed}).status(),
            Status::kPermissionDenied);
  EXPECT_EQ(space->Map({.size = 0}).status(), Status::kInvalidArgument);
  EXPECT_EQ(space->Map({.size = ~0ull - 4}).status(), Status::kOutOfRange);
  EXPECT_EQ(space->Map({.size = 1ull << 46, .protection = kReadWrite}).status(), Status::kNoMemory);
  EXPECT_TRUE(space->Map({.size = 1ull << 46, .protection = kReadWrite, .no_reserve = true}).ok());
}

TEST_F(SpaceTest, NeighboursMergeAndProtectSplits) {
  const std::uint64_t at = 0x1000'0000;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(space
                    ->Map({.address = at + i * kPageSize,
                           .size = kPageSize,
                           .placement = Placement::kFixed,
                           .protection = kReadWrite})
                    .ok());
  }
  RegionInfo info;
  ASSERT_EQ(space->QueryRegion(at, info), Status::kOk);
  EXPECT_EQ(info.end, at + 4 * kPageSize);
  ASSERT_EQ(Store(*space, at + kPageSize, 5), Status::kOk);
  ASSERT_EQ(space->Protect(at + kPageSize, kPageSize, kProtectRead), Status::kOk);
  EXPECT_EQ(Store(*space, at + kPageSize, 6), Status::kPermissionDenied);
  EXPECT_EQ(Load(*space, at + kPageSize).value(), 5u);
  ASSERT_EQ(space->QueryRegion(at + kPageSize, info), Status::kOk);
  EXPECT_EQ(info.start, at + kPageSize);
  EXPECT_EQ(info.end, at + 2 * kPageSize);
  ASSERT_EQ(space->Protect(at, 4 * kPageSize, kReadWrite), Status::kOk);
  ASSERT_EQ(space->QueryRegion(at + kPageSize, info), Status::kOk);
  EXPECT_EQ(info.start, at);
  EXPECT_EQ(info.end, at + 4 * kPageSize);
  EXPECT_EQ(Load(*space, at + kPageSize).value(), 5u);
  EXPECT_EQ(space->Protect(at, 5 * kPageSize, kReadWrite), Status::kOutOfRange);
}

TEST_F(SpaceTest, ForkedChainsStayBounded) {
  const std::uint64_t at = MapAnonymous(8);
  for (std::uint64_t i = 0; i < 8; ++i) {
    ASSERT_EQ(Store(*space, at + i * kPageSize, i), Status::kOk);
  }
  const std::uint64_t before = test.frames.allocator->free_frames();
  for (std::uint64_t generation = 1; generation <= 300; ++generation) {
    AddressSpace* child = space->ForkCopy().value();
    ASSERT_EQ(Store(*child, at, generation), Status::kOk);
    ASSERT_EQ(Load(*space, at).value(), generation - 1);
    space->Destroy();
    space = child;
  }
  for (std::uint64_t i = 1; i < 8; ++i) {
    ASSERT_EQ(Load(*space, at + i * kPageSize).value(), i);
  }
  EXPECT_GE(test.frames.allocator->free_frames() + 4, before);
}

// Another thread of this CPU comes in while the copy is made, and stores to a page that is copied
// at once, then to another. A copy with the second store only was never the memory of anybody.
TEST_F(SpaceTest, ACopyHasNoStoreWithoutThoseBeforeIt) {
  constexpr std::uint64_t kPages = 300;
  const std::uint64_t first = MapAnonymous(kPages), last = first + (kPages - 1) * kPageSize;
  std::atomic<bool> stop{false};
  std::uint64_t rounds = 0;
  int disturbed = 0;
  Beside other([&] {
    while (!stop) {
      ++rounds;
      ASSERT_EQ(Store(*space, first, rounds), Status::kOk);
      ASSERT_EQ(Store(*space, last, rounds), Status::kOk);
      machine::Thread::Yield();
    }
  });
  for (int i = 0; i < 20; ++i) {
    LetOthersRun();
    for (std::uint64_t page = first; page <= last; page += kPageSize) {
      ASSERT_EQ(Store(*space, page, rounds), Status::kOk);
    }
    const std::uint64_t before = rounds;
    AddressSpace* child = space->ForkCopy().value();
    disturbed += rounds != before ? 1 : 0;
    const std::uint64_t last_in_child = Load(*child, last).value();
    EXPECT_LE(last_in_child, Load(*child, first).value());
    space->Activate();
    child->Destroy();
  }
  EXPECT_NE(disturbed, 0) << "nobody came in";
  stop = true;
  other.Wait();
}

// What others want on this CPU does not wait until terabytes have been looked through.
TEST_F(SpaceTest, LongRangesAreForgottenAndCountedInPieces) {
  constexpr std::uint64_t kStride = 4 * kLargePageSize;
  constexpr std::uint64_t kTouched = 200;
  const std::uint64_t size = kTouched * kStride;
  const std::uint64_t at =
      space->Map({.size = size, .protection = kReadWrite, .shared = true, .no_reserve = true})
          .value();
  for (std::uint64_t i = 0; i < kTouched; ++i) {
    ASSERT_EQ(Store(*space, at + i * kStride, i), Status::kOk);
  }
  std::atomic<bool> stop{false};
  std::uint64_t turns = 0;
  Beside other([&] {
    for (; !stop; machine::Thread::Yield()) {
      ++turns;
    }
  });
  RegionInfo info;
  EXPECT_EQ(space->QueryRegion(at, info), Status::kOk);
  EXPECT_EQ(info.resident, kTouched * kPageSize);
  EXPECT_GE(std::exchange(turns, 0), kTouched / 2);
  EXPECT_EQ(space->Advise(at, size, Advice::kDontNeed), Status::kOk);
  EXPECT_GE(turns, kTouched / 2);
  EXPECT_EQ(space->Use().resident, 0u);
  stop = true;
  other.Wait();
}

TEST_F(SpaceTest, SoleHolderWritesInPlace) {
  const std::uint64_t at = MapAnonymous(1);
  ASSERT_EQ(Store(*space, at, 1), Status::kOk);
  AddressSpace* child = space->ForkCopy().value();
  child->Destroy();
  const std::uint64_t free = test.frames.allocator->free_frames();
  ASSERT_EQ(Store(*space, at, 2), Status::kOk);
  EXPECT_EQ(test.frames.allocator->free_frames(), free);
}

TEST_F(SpaceTest, SharedAnonymousMemoryIsOneInParentAndChild) {
  const std::uint64_t at =
      space->Map({.size = kPageSize, .protection = kReadWrite, .shared = true}).value();
  AddressSpace* child = space->ForkCopy().value();
  ASSERT_EQ(Store(*child, at, 9), Status::kOk);
  EXPECT_EQ(Load(*space, at).value(), 9u);
  EXPECT_EQ(space->KeyOf(at + 4).value(), child->KeyOf(at + 4).value());
  const std::uint64_t own = MapAnonymous(1);
  EXPECT_FALSE(space->KeyOf(own).value() == space->KeyOf(at).value());
  child->Destroy();
}

// What comes after lies where it lay: a waiter that nobody woke must not wait for that.
TEST_F(SpaceTest, AWordOfMemoryThatIsGoneNeverBecomesAnother) {
  std::vector<WordKey> keys;
  for (const bool shared : {true, false}) {
    for (int i = 0; i < 50; ++i) {
      const std::uint64_t at =
          space->Map({.size = kPageSize, .protection = kReadWrite, .shared = shared}).value();
      const WordKey key = space->KeyOf(at + 4).value();
      EXPECT_EQ(key, space->KeyOf(at + 4).value());
      EXPECT_EQ(std::count(keys.begin(), keys.end(), key), 0);
      keys.push_back(key);
      ASSERT_EQ(space->Unmap(at, kPageSize), Status::kOk);
    }
  }
}

TEST_F(SpaceTest, ForkPoliciesOmitAndWipe) {
  const std::uint64_t omitted = 0x1000'0000, wiped = 0x2000'0000;
  for (const std::uint64_t at : {omitted, wiped}) {
    ASSERT_TRUE(space
                    ->Map({.address = at,
                           .size = kPageSize,
                           .placement = Placement::kFixed,
                           .protection = kReadWrite})
                    .ok());
    ASSERT_EQ(Store(*space, at, 3), Status::kOk);
  }
  ASSERT_EQ(space->Advise(omitted, kPageSize, Advice::kDontFork), Status::kOk);
  ASSERT_EQ(space->Advise(wiped, kPageSize, Advice::kWipeOnFork), Status::kOk);
  AddressSpace* child = space->ForkCopy().value();
  EXPECT_EQ(Load(*child, omitted).status(), Status::kBadAddress);
  EXPECT_EQ(Load(*child, wiped).value(), 0u);
  EXPECT_EQ(Load(*space, wiped).value(), 3u);
  child->Destroy();
}

TEST_F(SpaceTest, DontNeedForgetsPrivateContents) {
  const std::uint64_t at = MapAnonymous(2);
  ASSERT_EQ(Store(*space, at, 1), Status::kOk);
  ASSERT_EQ(Store(*space, at + kPageSize, 2), Status::kOk);
  ASSERT_EQ(space->Advise(at, kPageSize, Advice::kDontNeed), Status::kOk);
  EXPECT_EQ(Load(*space, at).value(), 0u);
  EXPECT_EQ(Load(*space, at + kPageSize).value(), 2u);
}

TEST_F(SpaceTest, RemapMovesGrowsAndShrinks) {
  const std::uint64_t at = MapAnonymous(2);
  ASSERT_EQ(Store(*space, at + kPageSize, 11), Status::kOk);
  EXPECT_EQ(
      space->Remap({.address = at, .size = 2 * kPageSize, .new_size = 4 * kPageSize}).status(),
      Status::kNoMemory);
  const std::uint64_t moved =
      space
          ->Remap(
              {.address = at, .size = 2 * kPageSize, .new_size = 4 * kPageSize, .may_move = true})
          .value();
  EXPECT_NE(moved, at);
  EXPECT_EQ(Load(*space, at).status(), Status::kBadAddress);
  EXPECT_EQ(Load(*space, moved + kPageSize).value(), 11u);
  EXPECT_EQ(Load(*space, moved + 3 * kPageSize).value(), 0u);
  EXPECT_EQ(space->Remap({.address = moved, .size = 4 * kPageSize, .new_size = kPageSize}).value(),
            moved);
  EXPECT_EQ(Load(*space, moved + kPageSize).status(), Status::kBadAddress);
  EXPECT_EQ(space->Use().mapped, kPageSize);
}

// Near the largest offset a larger region would show the object's beginning behind its end, where
// whoever cuts the object does not look for it.
TEST_F(SpaceTest, RemapDoesNotWrapRound) {
  constexpr std::uint64_t kOffset = ~std::uint64_t{0} - 2 * kPageSize + 1;
  FcmFile* file = FcmFile::Create(test.services, nullptr, kPageSize).value();
  for (const bool shared : {true, false}) {
    const MapRequest request = {.size = kPageSize,
                                .protection = kReadWrite,
                                .shared = shared,
                                .source = file,
                                .offset = kOffset};
    const std::uint64_t at = space->Map(request).value();
    RemapRequest larger = {.address = at, .size = kPageSize, .new_size = 3 * kPageSize};
    EXPECT_EQ(space->Remap(larger).status(), Status::kOutOfRange);
    larger.may_move = true;
    EXPECT_EQ(space->Remap(larger).status(), Status::kOutOfRange);
    larger.fixed = true;
    larger.new_address = at - 64 * kPageSize;
    EXPECT_EQ(space->Remap(larger).status(), Status::kOutOfRange);
    ASSERT_EQ(space->Unmap(at, kPageSize), Status::kOk);
  }
  file->DropReference();
}

TEST_F(SpaceTest, AMoveCountsNothingTwice) {
  const std::uint64_t at = MapAnonymous(8);
  const std::uint64_t peak = space->Use().peak_mapped;
  const std::uint64_t to = at - 64 * kPageSize;
  ASSERT_EQ(space
                ->Remap({.address = at,
                         .size = 8 * kPageSize,
                         .new_size = 8 * kPageSize,
                         .may_move = true,
                         .fixed = true,
                         .new_address = to})
                .value(),
            to);
  EXPECT_EQ(space->Use().peak_mapped, peak);
  // What a fixed move replaces makes room for it.
  const std::uint64_t there =
      space->Map({.address = to - 64 * kPageSize, .size = 8 * kPageSize, .protection = kReadWrite})
          .value();
  space->SetLimit(space->Use().mapped);
  EXPECT_EQ(space
                ->Remap({.address = to,
                         .size = 8 * kPageSize,
                         .new_size = 16 * kPageSize,
                         .may_move = true,
                         .fixed = true,
                         .new_address = there})
                .value(),
            there);
}

// Pages of a private region that `space` can write without a fault.
std::uint64_t WritableIn(AddressSpace& space, std::uint64_t start, std::uint64_t pages) {
  std::uint64_t count = 0;
  for (std::uint64_t at = start; at < start + pages * kPageSize; at += kPageSize) {
    count += (space.hat().EntryOf(at) & machine::kPteWritable) != 0 ? 1 : 0;
  }
  return count;
}

TEST_F(SpaceTest, AForkCopiesPageTablesAndSomePagesAtOnce) {
  constexpr std::uint64_t kPages = 40;
  const std::uint64_t at =
      space->Map({.size = kPages * kPageSize, .protection = kReadWrite}).value();
  for (std::uint64_t i = 0; i < kPages; ++i) {
    ASSERT_EQ(Store(*space, at + i * kPageSize, i), Status::kOk);
  }
  AddressSpace* child = space->ForkCopy().value();
  const std::uint64_t own = WritableIn(*space, at, kPages);
  EXPECT_GT(own, 0u);
  EXPECT_LT(own, kPages / 2);
  EXPECT_EQ(WritableIn(*child, at, kPages), own);
  EXPECT_EQ(child->hat().CountPresent(at, at + kPages * kPageSize), kPages);
  EXPECT_EQ(child->Use().resident, kPages * kPageSize);
  for (std::uint64_t i = 0; i < kPages; ++i) {
    ASSERT_EQ(Store(*space, at + i * kPageSize, 1000 + i), Status::kOk);
    ASSERT_EQ(Load(*child, at + i * kPageSize).value(), i);
    ASSERT_EQ(Store(*child, at + i * kPageSize, 2000 + i), Status::kOk);
    ASSERT_EQ(Load(*space, at + i * kPageSize).value(), 1000 + i);
  }
  child->Destroy();
}

// What was written once and then left alone is not copied by every fork that comes.
TEST_F(SpaceTest, AForkCopiesAtOnceWhatWasWrittenSinceTheLastOne) {
  constexpr std::uint64_t kPages = 4;
  const std::uint64_t at =
      space->Map({.size = kPages * kPageSize, .protection = kReadWrite}).value();
  for (std::uint64_t i = 0; i < kPages; ++i) {
    ASSERT_EQ(Store(*space, at + i * kPageSize, i), Status::kOk);
  }
  AddressSpace* first = space->ForkCopy().value();
  EXPECT_EQ(WritableIn(*first, at, kPages), kPages);
  ASSERT_EQ(Store(*space, at + kPageSize, 10), Status::kOk);
  ASSERT_EQ(Store(*first, at, 20), Status::kOk);
  AddressSpace* second = space->ForkCopy().value();
  EXPECT_EQ(WritableIn(*space, at, kPages), 1u);
  EXPECT_EQ(WritableIn(*second, at, kPages), 1u);
  EXPECT_EQ(WritableIn(*second, at + kPageSize, 1), 1u);
  AddressSpace* third = first->ForkCopy().value();
  EXPECT_EQ(WritableIn(*third, at, kPages), 1u);
  EXPECT_EQ(WritableIn(*third, at, 1), 1u);
  EXPECT_EQ(Load(*third, at).value(), 20u);
  EXPECT_EQ(Load(*second, at).value(), 0u);
  EXPECT_EQ(Load(*second, at + kPageSize).value(), 10u);
  EXPECT_EQ(Load(*third, at + kPageSize).value(), 1u);
  first->Destroy();
  second->Destroy();
  third->Destroy();
}

TEST_F(SpaceTest, AForkWithAnotherCpuInsideCopiesNothingAtOnce) {
  constexpr std::uint64_t kPages = 4;
  const std::uint64_t at =
      space->Map({.size = kPages * kPageSize, .protection = kReadWrite}).value();
  for (std::uint64_t i = 0; i < kPages; ++i) {
    ASSERT_EQ(Store(*space, at + i * kPageSize, i), Status::kOk);
  }
  const auto thread = machine::Thread::Create(
      "another cpu",
      [](void* other) {
        static_cast<AddressSpace*>(other)->Activate();
        machine::Thread::Exit();
      },
      space, 1);
  ASSERT_TRUE(thread.ok());
  while (!space->hat().active().Contains(1)) {
    machine::Thread::Yield();
  }
  AddressSpace* child = space->ForkCopy().value();
  EXPECT_EQ(WritableIn(*space, at, kPages), 0u);
  EXPECT_EQ(WritableIn(*child, at, kPages), 0u);
  child->Destroy();
}

// A page of a file that a copy's page table got from its parent's goes with the file's, too.
TEST_F(SpaceTest, CopiedTranslationsOfAFileGoWithItsPages) {
  TestFile file(test.services, 4 * kPageSize, false);
  file.bytes[kPageSize] = 5;
  const std::uint64_t at =
      space->Map({.size = 4 * kPageSize, .protection = kReadWrite, .source = file.fcm}).value();
  ASSERT_EQ(Load(*space, at + kPageSize).value(), 5u);
  AddressSpace* child = space->ForkCopy().value();
  EXPECT_NE(child->hat().EntryOf(at + kPageSize), 0u);
  ASSERT_EQ(file.fcm->Resize(kPageSize, Waiting::kYes), Status::kOk);
  EXPECT_EQ(child->hat().EntryOf(at + kPageSize), 0u);
  EXPECT_EQ(Load(*child, at + kPageSize).status(), Status::kOutOfRange);
  child->Destroy();
  ASSERT_EQ(space->Unmap(at, 4 * kPageSize), Status::kOk);
  file.fcm->DropReference();
}

TEST_F(SpaceTest, PagesOnDemandAreMadeByWhoeverIsFirst) {
  const std::uint64_t before = test.frames.allocator->free_frames();
  FcmOnDemand* pages = FcmOnDemand::Create(test.services, 3).value();
  EXPECT_LE(before - test.frames.allocator->free_frames(), 2u);
  const std::uint64_t at = space
                               ->Map({.address = abi::kDispatcherBase,
                                      .size = 3 * kPageSize,
                                      .placement = Placement::kFixed,
                                      .protection = kReadWrite,
                                      .shared = true,
                                      .personality = true,
                                      .source = pages})
                               .value();
  ASSERT_EQ(Store(*space, at + kPageSize, 4), Status::kOk);
  EXPECT_EQ(*pages->data<std::uint64_t>(1), 4u);
  ASSERT_EQ(pages->Make(2), Status::kOk);
  *pages->data<std::uint64_t>(2) = 6;
  EXPECT_EQ(Load(*space, at + 2 * kPageSize).value(), 6u);
  EXPECT_EQ(pages->Make(3), Status::kOutOfRange);
  ASSERT_EQ(space->Unmap(at, 3 * kPageSize), Status::kOk);
  pages->DropReference();
}

TEST_F(SpaceTest, PinnedPagesAreTheKernelsOwn) {
  FcmPinned* pinned = FcmPinned::Create(test.services, 2).value();
  pinned->data<std::uint64_t>()[512] = 77;
  const std::uint64_t at = space
                               ->Map({.address = abi::kTimePageAddress,
                                      .size = 2 * kPageSize,
                                      .placement = Placement::kFixed,
                                      .protection = kProtectRead,
                                      .shared = true,
                                      .personality = true,
                                      .may_write = false,
                                      .source = pinned})
                               .value();
  EXPECT_EQ(Load(*space, at + kPageSize).value(), 77u);
  EXPECT_EQ(Store(*space, at, 1), Status::kPermissionDenied);
  EXPECT_EQ(space->Protect(at, kPageSize, kReadWrite), Status::kPermissionDenied);
  ASSERT_EQ(space->Unmap(at, 2 * kPageSize), Status::kOk);
  pinned->DropReference();
}

TEST_F(SpaceTest, LimitsAndExhaustionAreAnswers) {
  space->SetLimit(10 * kPageSize);
  EXPECT_TRUE(space->Map({.size = 8 * kPageSize}).ok());
  EXPECT_EQ(space->Map({.size = 3 * kPageSize}).status(), Status::kLimitExceeded);
  space->SetLimit(AddressSpace::kNoLimit);
  const std::uint64_t pages = test.frames.all + 100;
  const std::uint64_t at =
      space->Map({.size = pages * kPageSize, .protection = kReadWrite, .no_reserve = true}).value();
  Status status = Status::kOk;
  std::uint64_t touched = 0;
  for (; touched < pages && IsOk(status); ++touched) {
    status = Store(*space, at + touched * kPageSize, touched);
  }
  EXPECT_EQ(status, Status::kNoMemory);
  EXPECT_GT(touched, test.frames.all * 9 / 10);
  EXPECT_EQ(Load(*space, at + kPageSize).value(), 1u);
  EXPECT_EQ(space->Unmap(at, pages * kPageSize), Status::kOk);
}

TEST_F(SpaceTest, CopiesToAndFromASpaceThatIsNotLoaded) {
  const std::uint64_t at = MapAnonymous(3);
  std::vector<unsigned char> data(2 * kPageSize, 0x5a), back(2 * kPageSize);
  EXPECT_EQ(space->CopyToSpace(at + 100, data.data(), data.size()).value(), data.size());
  EXPECT_EQ(space->CopyFromSpace(back.data(), at + 100, back.size()).value(), back.size());
  EXPECT_EQ(back, data);
  EXPECT_EQ(space->CopyFromSpace(back.data(), at + 3 * kPageSize - 10, 100).value(), 10u);
  EXPECT_EQ(space->CopyFromSpace(back.data(), at + 3 * kPageSize, 1).status(), Status::kBadAddress);
}

}  // namespace
}  // namespace k42::mem
