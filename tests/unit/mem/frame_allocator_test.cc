#include "mem/frame_allocator.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "machine/hosted.h"
#include "unit/mem/test_memory.h"

namespace k42::mem {
namespace {

TEST(FrameAllocator, HandsOutEveryFrameOnceAndTakesAllBack) {
  TestFrames frames;
  ASSERT_EQ(frames.status, Status::kOk);
  std::set<PhysAddr> seen;
  std::vector<Frame*> taken;
  for (;;) {
    const Result<Frame*> frame = frames.allocator->Allocate(FramePurpose::kProgress);
    if (!frame.ok()) {
      EXPECT_EQ(frame.status(), Status::kNoMemory);
      break;
    }
    EXPECT_TRUE(seen.insert(frame.value()->address).second);
    EXPECT_EQ(frames.allocator->FrameOf(frame.value()->address), frame.value());
    std::memset(FrameAllocator::Data(frame.value()), 0x5a, kPageSize);
    taken.push_back(frame.value());
  }
  EXPECT_EQ(taken.size(), frames.all);
  EXPECT_EQ(frames.allocator->free_frames(), 0u);
  for (Frame* frame : taken) {
    frames.allocator->DropReference(frame);
  }
  EXPECT_EQ(frames.allocator->free_frames(), frames.all);
}

TEST(FrameAllocator, ReservesStopUsersFirstThenTheKernel) {
  TestFrames frames;
  const auto drain = [&](FramePurpose purpose) {
    std::uint64_t count = 0;
    while (frames.allocator->Allocate(purpose).ok()) {
      ++count;
    }
    return count;
  };
  EXPECT_EQ(drain(FramePurpose::kUser), frames.all - frames.allocator->user_reserve());
  EXPECT_GT(drain(FramePurpose::kKernel), 0u);
  EXPECT_GT(drain(FramePurpose::kProgress), 0u);
  EXPECT_EQ(frames.allocator->free_frames(), 0u);
}

TEST(FrameAllocator, ChunksBecomeLargePagesAgain) {
  TestFrames frames;
  FrameAllocator& allocator = *frames.allocator;
  const std::uint64_t large = allocator.large_chunks();
  ASSERT_GT(large, 4u);
  Frame* page = allocator.AllocateRun(kPagesPerLargePage, FramePurpose::kKernel).value();
  EXPECT_TRUE(IsAligned<PhysAddr>(page->address, kLargePageSize));
  EXPECT_EQ(allocator.large_chunks(), large - 1);
  Frame* run = allocator.AllocateRun(17, FramePurpose::kKernel).value();
  for (std::uint32_t i = 0; i < 17; ++i) {
    EXPECT_EQ(run[i].address, run->address + i * kPageSize);
  }
  allocator.FreeRun(run, 17);
  allocator.FreeRun(page, kPagesPerLargePage);
  EXPECT_EQ(allocator.free_frames(), frames.all);
  EXPECT_GE(allocator.large_chunks(), large - 1);  // a few frames may stay in the CPU's cache
  EXPECT_EQ(allocator.AllocateRun(kPagesPerLargePage + 1, FramePurpose::kKernel).status(),
            Status::kNoMemory);
}

TEST(FrameAllocator, SharedFrameReturnsWithTheLastReference) {
  TestFrames frames;
  Frame* frame = frames.allocator->AllocateZeroed(FramePurpose::kUser).value();
  EXPECT_FALSE(FrameAllocator::IsShared(frame));
  FrameAllocator::AddReference(frame);
  EXPECT_TRUE(FrameAllocator::IsShared(frame));
  frames.allocator->DropReference(frame);
  EXPECT_EQ(frames.allocator->free_frames(), frames.all - 1);
  frames.allocator->DropReference(frame);
  EXPECT_EQ(frames.allocator->free_frames(), frames.all);
}

TEST(FrameAllocator, SecondNodeServesWhenTheFirstIsEmpty) {
  TestFrames frames(16 << 20, 2);
  std::set<std::uint8_t> nodes;
  for (;;) {
    const Result<Frame*> frame = frames.allocator->Allocate(FramePurpose::kProgress);
    if (!frame.ok()) {
      break;
    }
    nodes.insert(frame.value()->node);
  }
  EXPECT_EQ(nodes, (std::set<std::uint8_t>{0, 1}));
  EXPECT_EQ(frames.allocator->free_frames(), 0u);
}

TEST(FrameAllocator, ACpuTakesItsOwnNodesFramesFirst) {
  TestFrames frames(16 << 20, 2);
  frames.allocator->SetCpuNode(2, 1);
  machine::hosted::RunOn(2, [&] {
    std::vector<Frame*> taken;
    for (int i = 0; i < 100; ++i) {
      taken.push_back(frames.allocator->Allocate(FramePurpose::kKernel).value());
      EXPECT_EQ(taken.back()->node, 1);
    }
    Frame* run = frames.allocator->AllocateRun(kPagesPerLargePage, FramePurpose::kKernel).value();
    EXPECT_EQ(run->node, 1);
    frames.allocator->FreeRun(run, kPagesPerLargePage);
    for (Frame* frame : taken) {
      frames.allocator->DropReference(frame);
    }
  });
  EXPECT_EQ(frames.allocator->free_frames(), frames.all);
}

TEST(FrameAllocator, ManyCpusAtOnceLoseNothing) {
  TestFrames frames;
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    std::mt19937 random(cpu);
    std::vector<Frame*> mine;
    for (int i = 0; i < 20000; ++i) {
      if (random() % 2 == 0 && mine.size() < 300) {
        mine.push_back(frames.allocator->Allocate(FramePurpose::kUser).value());
        *FrameAllocator::Data<std::uint64_t>(mine.back()) = mine.back()->address + cpu;
      } else if (!mine.empty()) {
        std::swap(mine.back(), mine[random() % mine.size()]);
        EXPECT_EQ(*FrameAllocator::Data<std::uint64_t>(mine.back()), mine.back()->address + cpu);
        frames.allocator->DropReference(mine.back());
        mine.pop_back();
      }
    }
    for (Frame* frame : mine) {
      frames.allocator->DropReference(frame);
    }
  });
  EXPECT_EQ(frames.allocator->free_frames(), frames.all);
}

}  // namespace
}  // namespace k42::mem
