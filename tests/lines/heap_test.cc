// The heap and the frame allocator: which lines do CPUs share that have nothing to do with each
// other, and how many when they have.
#include <array>
#include <atomic>
#include <cstdio>
#include <thread>

#include "lines/counting_node.h"

namespace k42::test {
namespace {

class HeapLines : public ::testing::Test {
 protected:
  CountingNode& node_ = CountingNode::Get();
};

TEST_F(HeapLines, LocalPairsShareNone) {
  for (const std::size_t size : {16, 40, 64, 200, 512, 2000}) {
    const LineReport report = CountLines(
        4, 2000,
        [&](machine::CpuId, std::uint32_t) {
          void* block = node_.heap.Allocate(size, 16);
          node_.heap.Free(block, size);
        },
        100);
    EXPECT_EQ(report.shared_per_operation, 0) << size << " bytes: " << report.Text();
    EXPECT_GT(report.written_per_operation, 0);
  }
}

TEST_F(HeapLines, BurstsOfBlocksWrittenByTheirOwnersShareNone) {
  // Many live blocks on each CPU, in frames that lie side by side.
  alignas(64) static std::array<std::array<std::uint64_t*, 64>, 4> kept{};
  const auto turn = [&](machine::CpuId cpu, std::uint32_t number) {
    std::uint64_t*& place = kept[cpu][number % 64];
    if (place != nullptr) {
      node_.heap.Free(place, 24);
    }
    place = static_cast<std::uint64_t*>(number % 2 == 0 ? node_.heap.Allocate(24, 16)
                                                        : node_.heap.AllocateLocal(24, 16));
    *place = number;
  };
  const LineReport report = CountLines(4, 2000, turn, 200);
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
  for (machine::CpuId cpu = 0; cpu < 4; ++cpu) {
    machine::hosted::RunOn(cpu, [&] {
      for (std::uint64_t*& block : kept[cpu]) {
        node_.heap.Free(block, 24);
        block = nullptr;
      }
    });
  }
}

TEST_F(HeapLines, FramesFromTheCpusCachesShareNone) {
  const LineReport report = CountLines(
      4, 2000,
      [&](machine::CpuId, std::uint32_t) {
        mem::Frame* frame = node_.frames.Allocate(mem::FramePurpose::kKernel).value();
        node_.frames.DropReference(frame);
      },
      100);
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
}

// Each CPU frees what its neighbour allocated: the blocks themselves change hands, and 16 go home
// together. Of one operation: the two mailboxes; the block that is written, the block that is
// freed, and one that has come home and is free there again; and the home's inbox, which is written
// twice for 16 of them.
constexpr double kMostPerPassedBlock = 5 + 2.0 / mem::Heap::kBatch + 0.05;
TEST_F(HeapLines, ProducerAndConsumerShareLittleMoreThanTheBlock) {
  alignas(64) static std::array<std::atomic<void*>, 4 * 8> mail{};  // one line each
  const LineReport report = CountLines(
      4, 512,
      [&](machine::CpuId cpu, std::uint32_t) {
        void* block = node_.heap.Allocate(128, 16);
        *static_cast<std::uint64_t*>(block) = cpu;
        std::atomic<void*>& theirs = mail[(cpu + 1) % 4 * 8];
        std::atomic<void*>& mine = mail[cpu * 8];
        while (theirs.load(std::memory_order_acquire) != nullptr) std::this_thread::yield();
        theirs.store(block, std::memory_order_release);
        while (mine.load(std::memory_order_acquire) == nullptr) std::this_thread::yield();
        node_.heap.Free(mine.load(std::memory_order_relaxed), 128);
        mine.store(nullptr, std::memory_order_release);
      },
      256);
  std::printf("a block from CPU to CPU: %s", report.Text().c_str());
  EXPECT_LE(report.shared_per_operation, kMostPerPassedBlock) << report.Text();
  RecordProperty("shared_per_operation", std::to_string(report.shared_per_operation));
  for (int round = 0; round < 2; ++round) {
    machine::hosted::RunOnAllCpus([&](machine::CpuId) { node_.heap.Trim(); });
  }
}

}  // namespace
}  // namespace k42::test
