#include "mem/frame_allocator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
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

TEST(FrameAllocator, WhatIsPromisedStaysForWhoWasPromisedIt) {
  TestFrames frames;
  FrameAllocator& allocator = *frames.allocator;
  const auto drain = [&](FramePurpose purpose) {
    std::uint64_t count = 0;
    while (allocator.Allocate(purpose).ok()) {
      ++count;
    }
    return count;
  };
  const std::uint64_t most = 2 * allocator.user_reserve();
  ASSERT_EQ(allocator.Promise(most), Status::kOk);  // what is promised lies idle: not all of memory
  EXPECT_EQ(allocator.Promise(1), Status::kLimitExceeded);
  allocator.EndPromise(most);
  EXPECT_EQ(allocator.Promise(most + 1), Status::kLimitExceeded);
  EXPECT_EQ(allocator.promised_frames(), 0u);
  ASSERT_EQ(allocator.Promise(9), Status::kOk);
  EXPECT_EQ(drain(FramePurpose::kUser), frames.all - allocator.user_reserve() - 9);
  EXPECT_EQ(allocator.Promise(1), Status::kNoMemory);
  drain(FramePurpose::kKernel);
  drain(FramePurpose::kProgress);
  EXPECT_EQ(drain(FramePurpose::kPromised), 9u);
  allocator.EndPromise(9);
  EXPECT_EQ(allocator.free_frames(), 0u);
}

// Each CPU promises itself frames, takes whatever it gets, also in runs, and then what it was
// promised.
TEST(FrameAllocator, PromisesHoldWhileAllCpusTakeAll) {
  constexpr std::uint64_t kFrames = 4;
  TestFrames frames;
  std::atomic<std::uint64_t> broken{0};
  std::atomic<std::uint64_t> kept{0};
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    FrameAllocator& allocator = *frames.allocator;
    std::mt19937 random(cpu);
    for (int round = 0; round < 200; ++round) {
      std::vector<Frame*> mine;
      const bool promised = IsOk(allocator.Promise(kFrames));
      const FramePurpose purpose = random() % 2 != 0 ? FramePurpose::kUser : FramePurpose::kKernel;
      for (Result<Frame*> frame = allocator.Allocate(purpose); frame.ok();
           frame = allocator.Allocate(purpose)) {
        mine.push_back(frame.value());
      }
      const Result<Frame*> run = allocator.AllocateRun(8, FramePurpose::kProgress);
      for (std::uint64_t i = 0; promised && i < kFrames; ++i) {
        const Result<Frame*> frame = allocator.Allocate(FramePurpose::kPromised);
        frame.ok() ? mine.push_back(frame.value()) : static_cast<void>(++broken);
      }
      if (promised) {
        allocator.EndPromise(kFrames);
        ++kept;
      }
      if (run.ok()) {
        allocator.FreeRun(run.value(), 8);
      }
      for (Frame* frame : mine) {
        allocator.DropReference(frame);
      }
    }
  });
  EXPECT_EQ(broken, 0u);
  EXPECT_GT(kept, 0u);
  EXPECT_EQ(frames.allocator->promised_frames(), 0u);
  EXPECT_EQ(frames.allocator->free_frames(), frames.all);
}

// Off, the last frame stays the last. On, every frame comes up in the end, one that was just
// unmapped much sooner; and the same seed gives the same order.
TEST(FrameReuse, RandomAndUnmappedFirst) {
  Frame memory[32];
  memory[3].unmapped = true;
  const auto choices = [&](std::uint64_t seed) {
    std::vector<Frame*> chosen;
    FrameReuse reuse;
    reuse.Start(seed, 0);
    for (int i = 0; i < 2000; ++i) {
      Frame* free[32];
      for (std::size_t k = 0; k < 32; ++k) {
        free[k] = &memory[k];
      }
      reuse.Choose(free);
      chosen.push_back(free[31]);
    }
    return chosen;
  };
  const std::vector<Frame*> off = choices(0);
  EXPECT_EQ(std::set<Frame*>(off.begin(), off.end()), std::set<Frame*>{&memory[31]});
  const std::vector<Frame*> on = choices(7);
  EXPECT_EQ(std::set<Frame*>(on.begin(), on.end()).size(), 32u);
  EXPECT_GT(std::count(on.begin(), on.end(), &memory[3]), 1300);
  EXPECT_EQ(on, choices(7));
  EXPECT_NE(on, choices(8));
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

TEST(FrameAllocator, ClearedFramesAreCountedAndServeEverybody) {
  TestFrames frames(16 << 20);
  FrameAllocator& allocator = *frames.allocator;
  std::vector<Frame*> taken;
  for (int i = 0; i < 40; ++i) {
    taken.push_back(allocator.AllocateZeroed(FramePurpose::kKernel).value());
  }
  std::size_t given = 0;
  while (allocator.WantsCleared() && given < taken.size()) {
    allocator.GiveCleared(taken[given++]);
    ASSERT_EQ(allocator.free_frames(), frames.all - taken.size() + given);
  }
  for (; given < taken.size(); ++given) {
    allocator.DropReference(taken[given]);
  }
  EXPECT_EQ(allocator.free_frames(), frames.all);
  for (int i = 0; i < 40; ++i) {
    const Frame* frame = allocator.AllocateZeroed(FramePurpose::kUser).value();
    const auto* words = FrameAllocator::Data<const std::uint64_t>(frame);
    ASSERT_EQ(std::count(words, words + kPageSize / 8, 0u), kPageSize / 8) << i;
  }
  Frame* last = allocator.AllocateZeroed(FramePurpose::kKernel).value();
  allocator.GiveCleared(last);
  std::uint64_t rest = 0;
  while (allocator.Allocate(FramePurpose::kProgress).ok()) {
    ++rest;
  }
  EXPECT_EQ(rest, frames.all - 40);
  EXPECT_EQ(allocator.free_frames(), 0u);
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

TEST(FrameAllocator, DescriptorsOfWholeChunksAreMadeWhenTheyAreWanted) {
  constexpr PhysAddr kBegin = 16ull << 20;
  constexpr std::uint64_t kChunks = 16;
  constexpr int kPattern = 0xa5;
  auto* const room = machine::PhysToVirt<unsigned char>(kBegin);
  std::memset(room, kPattern, kLargePageSize);
  const auto allocator = std::make_unique<FrameAllocator>();
  const MemoryRange range{kBegin, kBegin + kChunks * kLargePageSize};
  ASSERT_EQ(allocator->Initialise({&range, 1}, 4), Status::kOk);
  const std::uint64_t bytes = allocator->descriptor_bytes();
  ASSERT_LT(bytes, kLargePageSize);
  // Of which chunks the room for descriptors has been written.
  const auto made = [&] {
    std::uint64_t count = 0;
    for (std::uint64_t at = 0; at + kChunkStride <= bytes; at += kChunkStride) {
      const auto* const stride = room + at;
      count += std::count(stride, stride + kChunkStride, kPattern) < 1024 ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(allocator->free_frames(), kChunks * kPagesPerLargePage - bytes / kPageSize);
  EXPECT_EQ(allocator->total_frames(), allocator->free_frames());
  EXPECT_EQ(allocator->large_chunks(), kChunks - 1);  // one holds the descriptors
  EXPECT_LE(made(), 2u);                              // its own, and maybe across a border
  Frame* single = allocator->Allocate(FramePurpose::kKernel).value();
  EXPECT_LE(made(), 2u) << "single frames come from the chunk that is broken already";
  Frame* large = allocator->AllocateRun(kPagesPerLargePage, FramePurpose::kKernel).value();
  EXPECT_LE(made(), 3u);
  EXPECT_EQ(allocator->large_chunks(), kChunks - 2);
  EXPECT_EQ(allocator->FrameOf(large->address), large);
  std::vector<Frame*> all{large};
  for (std::uint64_t i = 2; i < kChunks; ++i) {
    all.push_back(allocator->AllocateRun(kPagesPerLargePage, FramePurpose::kProgress).value());
  }
  EXPECT_FALSE(allocator->AllocateRun(kPagesPerLargePage, FramePurpose::kProgress).ok());
  EXPECT_GE(made(), kChunks - 2);
  for (Frame* first : all) {
    allocator->FreeRun(first, kPagesPerLargePage);
  }
  allocator->DropReference(single);
  EXPECT_EQ(allocator->free_frames(), allocator->total_frames());
}

TEST(FrameAllocator, NobodyIsRefusedWhileAnotherCpuMakesTheDescriptors) {
  for (int round = 0; round < 20; ++round) {
    TestFrames frames;
    // All but what the caches may hold back.
    const std::uint64_t each = frames.all / machine::CpuCount() - 32;
    std::atomic<std::uint64_t> refused{0};
    machine::hosted::RunOnAllCpus([&](machine::CpuId) {
      for (std::uint64_t i = 0; i < each; ++i) {
        refused += frames.allocator->Allocate(FramePurpose::kProgress).ok() ? 0 : 1;
      }
    });
    EXPECT_EQ(refused, 0u);
  }
}

TEST(FrameAllocator, MoreRowsOfChunksThanAPoolRemembers) {
  const auto allocator = std::make_unique<FrameAllocator>();
  constexpr std::uint64_t kRows = 12;
  MemoryRange ranges[kRows];
  for (std::uint64_t i = 0; i < kRows; ++i) {
    const PhysAddr begin = (16ull << 20) + i * 2 * kLargePageSize;
    ranges[i] = {begin, begin + kLargePageSize + (i == 0 ? kLargePageSize / 2 : 0)};
  }
  ASSERT_EQ(allocator->Initialise(ranges, 4), Status::kOk);
  EXPECT_EQ(allocator->large_chunks(), kRows - 1);
  std::set<PhysAddr> seen;
  for (std::uint64_t i = 1; i < kRows; ++i) {
    seen.insert(
        allocator->AllocateRun(kPagesPerLargePage, FramePurpose::kProgress).value()->address);
  }
  EXPECT_EQ(seen.size(), kRows - 1);
  while (allocator->Allocate(FramePurpose::kProgress).ok()) {
  }
  EXPECT_EQ(allocator->free_frames(), 0u);
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
