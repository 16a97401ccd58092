#include "proc/blocked_faults.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "model/interleave.h"

namespace k42::proc {
namespace {

struct Told final : BlockedFaults::Owner {
  void FaultOver() override { ++times; }
  int times = 0;
};

struct BlockedFaultsTest : testing::Test {
  static void End(BlockedFaults::Fault* fault, Status status) {
    fault->status = status;
    fault->notify(fault);
  }
  std::uint64_t TakeBits() { return page->faults_completed.exchange(0); }
  std::unique_ptr<abi::DispatcherPage> page = std::make_unique<abi::DispatcherPage>();
  Told told;
  std::unique_ptr<BlockedFaults> faults = std::make_unique<BlockedFaults>(told, page.get());
};

TEST_F(BlockedFaultsTest, AnEndIsABitAndAWord) {
  BlockedFaults::Fault* fault = faults->Take(0x5123);
  ASSERT_NE(fault, nullptr);
  EXPECT_EQ(page->faults_completed.load(), 0u);
  End(fault, Status::kOk);
  EXPECT_EQ(TakeBits(), std::uint64_t{1} << faults->IdOf(fault));
  EXPECT_EQ(told.times, 1);
  EXPECT_EQ(faults->TakeFailure(0x5000), Status::kOk);
}

TEST_F(BlockedFaultsTest, AnIdIsUsedAgainOnceItsBitWasTaken) {
  BlockedFaults::Fault* first = faults->Take(0x1000);
  End(first, Status::kOk);
  EXPECT_NE(faults->Take(0x2000), first);
  (void)TakeBits();
  EXPECT_EQ(faults->Take(0x3000), first);
}

TEST_F(BlockedFaultsTest, ThereAreOnlySoMany) {
  std::set<BlockedFaults::Fault*> taken;
  for (std::uint32_t i = 0; i < abi::kFaultIdCount; ++i) {
    taken.insert(faults->Take(i << 12));
  }
  EXPECT_EQ(taken.size(), abi::kFaultIdCount);
  EXPECT_FALSE(taken.contains(nullptr));
  EXPECT_EQ(faults->Take(0), nullptr);
  faults->Return(*taken.begin());
  EXPECT_EQ(faults->Take(0), *taken.begin());
}

TEST_F(BlockedFaultsTest, AFailureIsToldOnceToWhoTriesAgain) {
  BlockedFaults::Fault* fault = faults->Take(0x7abc);
  End(fault, Status::kIoError);
  (void)TakeBits();
  EXPECT_NE(faults->Take(0x9000), fault);  // not before it was told
  EXPECT_EQ(faults->TakeFailure(0x8000), Status::kOk);
  EXPECT_EQ(faults->TakeFailure(0x7fff), Status::kIoError);
  EXPECT_EQ(faults->TakeFailure(0x7fff), Status::kOk);
  EXPECT_EQ(faults->Take(0x9000), fault);
}

TEST_F(BlockedFaultsTest, WhatAnEarlierProgramWaitedForFailsForNobody) {
  BlockedFaults::Fault* fault = faults->Take(0x7000);
  faults->ForgetFailures();  // the program starts again while the page is on its way
  End(fault, Status::kIoError);
  EXPECT_EQ(faults->TakeFailure(0x7000), Status::kOk);
  EXPECT_EQ(TakeBits(), std::uint64_t{1} << faults->IdOf(fault));
  EXPECT_EQ(faults->Take(0x1000), fault);
}

TEST_F(BlockedFaultsTest, WhoStartsAgainHearsOfNoFailure) {
  BlockedFaults::Fault* fault = faults->Take(0x7000);
  End(fault, Status::kIoError);
  faults->ForgetFailures();
  EXPECT_EQ(faults->TakeFailure(0x7000), Status::kOk);
  (void)TakeBits();
  EXPECT_EQ(faults->Take(0x1000), fault);
}

// A page fails; another thread of the dispatcher learns of it before the bit is set, and a further
// fault wants an id. Its thread waits for a bit: not for the first one's.
TEST(FaultWord, ABitIsNeverAnEarlierFaults) {
  struct World {
    FaultWordOver<model::Atomic> word;
    model::Atomic<std::uint64_t> bits{0};
    bool told = false;
    bool used_again = false;
  };
  const model::Exploration result = model::Explore([] {
    auto world = std::make_shared<World>();
    return model::Program{
        {[world] {
           model::SetQuiet(true);
           world->word.Wait();
           model::SetQuiet(false);
           world->word.Failed([world] { world->bits.fetch_or(1, std::memory_order_release); });
         },
         [world] {
           for (int turn = 0; turn < 2; ++turn) {
             if (world->word.has_failed()) {
               EXPECT_FALSE(world->told);
               world->told = true;
               world->word.TakeFailure();
             }
             if (world->word.free() && world->bits.load(std::memory_order_acquire) == 0) {
               world->used_again = true;
               world->word.Wait();
               return;
             }
           }
         }},
        [world]() -> std::string {
          if (world->used_again)
            return "the id was used again, and its bit is the first one's";
          if (world->bits.Peek() == 0)
            return "the first was not told";
          return world->told && !world->word.free() ? "the id is lost" : "";
        }};
  });
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.failure, "");
}

}  // namespace
}  // namespace k42::proc
