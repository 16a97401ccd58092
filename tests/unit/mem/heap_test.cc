#include "mem/heap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "machine/hosted.h"
#include "unit/mem/test_memory.h"

namespace k42::mem {
namespace {

struct TestHeap {
  TestFrames frames;
  std::unique_ptr<Heap> heap = std::make_unique<Heap>(*frames.allocator);
  void* Allocate(std::size_t size) { return heap->Allocate(size, 16); }
};

struct Piece {
  unsigned char* block;
  std::size_t size;
  unsigned char fill;
};

TEST(Heap, BlocksAreAlignedDistinctAndComeBack) {
  TestHeap test;
  std::mt19937 random(1);
  std::vector<Piece> pieces;
  for (int i = 0; i < 20000; ++i) {
    if (random() % 3 != 0 && pieces.size() < 2000) {
      const std::size_t size = 1 + random() % (random() % 50 == 0 ? 20000 : 600);
      auto* block = static_cast<unsigned char*>(test.Allocate(size));
      ASSERT_NE(block, nullptr);
      ASSERT_TRUE(IsAligned<std::uint64_t>(reinterpret_cast<std::uint64_t>(block), 16));
      const auto fill = static_cast<unsigned char>(i);
      std::memset(block, fill, size);
      pieces.push_back({block, size, fill});
    } else if (!pieces.empty()) {
      std::swap(pieces.back(), pieces[random() % pieces.size()]);
      const Piece piece = pieces.back();
      pieces.pop_back();
      ASSERT_EQ(piece.block[0], piece.fill);
      ASSERT_EQ(piece.block[piece.size - 1], piece.fill);
      test.heap->Free(piece.block, piece.size);
    }
  }
  for (const Piece& piece : pieces) {
    test.heap->Free(piece.block, piece.size);
  }
  test.heap->Trim();
  EXPECT_EQ(test.heap->slab_frames(), 0u);
  EXPECT_EQ(test.frames.allocator->free_frames(), test.frames.all);
}

TEST(Heap, AlignmentBeyondSizeIsKept) {
  TestHeap test;
  void* block = test.heap->Allocate(100, 4096);
  EXPECT_TRUE(IsAligned<std::uint64_t>(reinterpret_cast<std::uint64_t>(block), 4096));
  test.heap->Free(block, 100);
  void* line = test.heap->Allocate(8, 64);
  EXPECT_TRUE(IsAligned<std::uint64_t>(reinterpret_cast<std::uint64_t>(line), 64));
  test.heap->Free(line, 8);
  test.heap->Trim();
  EXPECT_EQ(test.frames.allocator->free_frames(), test.frames.all);
  EXPECT_EQ(test.heap->Allocate(kLargePageSize + 1, 16), nullptr);
}

TEST(Heap, ExhaustionIsAnAnswer) {
  TestHeap test;
  std::vector<void*> blocks;
  while (void* block = test.Allocate(2048)) {
    blocks.push_back(block);
  }
  EXPECT_GT(blocks.size(), 1000u);
  for (void* block : blocks) {
    test.heap->Free(block, 2048);
  }
  test.heap->Trim();
  EXPECT_EQ(test.frames.allocator->free_frames(), test.frames.all);
}

TEST(Heap, ForeignBlocksGoHome) {
  TestHeap test;
  std::vector<void*> blocks;
  for (int i = 0; i < 1000; ++i) {
    blocks.push_back(test.Allocate(64));
  }
  machine::hosted::RunOn(1, [&] {
    for (void* block : blocks) {
      test.heap->Free(block, 64);
    }
    test.heap->Trim();
  });
  test.heap->Trim();
  EXPECT_EQ(test.heap->slab_frames(), 0u);
  EXPECT_EQ(test.frames.allocator->free_frames(), test.frames.all);
}

TEST(Heap, CpusShareNoCacheLine) {
  TestHeap test;
  std::vector<std::uint64_t> lines[4];
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    for (int i = 0; i < 500; ++i) {
      lines[cpu].push_back(reinterpret_cast<std::uint64_t>(test.Allocate(16)) / 64);
    }
  });
  for (int a = 0; a < 4; ++a) {
    for (int b = a + 1; b < 4; ++b) {
      for (const std::uint64_t line : lines[a]) {
        EXPECT_EQ(std::count(lines[b].begin(), lines[b].end(), line), 0);
      }
    }
  }
}

// What only one CPU writes never lies beside what others write; a padded block has no neighbour.
TEST(Heap, KindsShareNoCacheLine) {
  TestHeap test;
  std::vector<std::pair<void*, std::size_t>> blocks;
  std::set<std::uint64_t> shared, local, padded;
  const auto note = [&](std::set<std::uint64_t>& lines, void* block, std::size_t size) {
    blocks.emplace_back(block, size);
    return lines.insert(reinterpret_cast<std::uint64_t>(block) / 64).second;
  };
  for (int i = 0; i < 500; ++i) {
    note(shared, test.heap->Allocate(16, 16), 16);
    note(local, test.heap->AllocateLocal(16, 16), 16);
    EXPECT_TRUE(note(padded, test.heap->Allocate(64, 64), 64));
  }
  for (const std::uint64_t line : shared) {
    EXPECT_EQ(local.count(line) + padded.count(line), 0u);
  }
  for (const std::uint64_t line : local) {
    EXPECT_EQ(padded.count(line), 0u);
  }
  for (const auto& [block, size] : blocks) {
    test.heap->Free(block, size);
  }
  test.heap->Trim();
  EXPECT_EQ(test.frames.allocator->free_frames(), test.frames.all);
}

// Producers and consumers on all CPUs: each frees what another allocated.
TEST(Heap, RingOfCpus) {
  TestHeap test;
  std::atomic<void*> slots[4] = {};
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    for (int i = 0; i < 5000; ++i) {
      auto* block = static_cast<std::uint64_t*>(test.Allocate(32));
      ASSERT_NE(block, nullptr);
      *block = 42;
      block = static_cast<std::uint64_t*>(
          slots[(cpu + static_cast<unsigned>(i)) % 4].exchange(block, std::memory_order_acq_rel));
      if (block != nullptr) {
        ASSERT_EQ(*block, 42u);
        test.heap->Free(block, 32);
      }
    }
  });
  for (auto& slot : slots) {
    test.heap->Free(slot.load(), 32);
  }
  for (int round = 0; round < 2; ++round) {
    machine::hosted::RunOnAllCpus([&](machine::CpuId) { test.heap->Trim(); });
  }
  EXPECT_EQ(test.heap->slab_frames(), 0u);
  EXPECT_EQ(test.frames.allocator->free_frames(), test.frames.all);
}

}  // namespace
}  // namespace k42::mem
