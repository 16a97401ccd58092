// The heap and the frame allocator: which lines do CPUs share that have nothing to do with each
// other, and how many when they have.
#include <array>
#include <atomic>

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

// Each CPU frees what its neighbour allocated: the blocks themselves change hands, and every 16th
// goes home with one more line. The bound keeps it from getting worse.
TEST_F(HeapLines, ProducerAndConsumerShareLittleMoreThanTheBlock) {
  alignas(64) static std::array<std::atomic<void*>, 4 * 8> mail{};  // one line each
  const LineReport report = CountLines(
      4, 2000,
      [&](machine::CpuId cpu, std::uint32_t) {
        void* block = node_.heap.Allocate(128, 16);
        *static_cast<std::uint64_t*>(block) = cpu;
        void* mine = mail[(cpu + 1) % 4 * 8].exchange(block, std::memory_order_acq_rel);
        if (mine != nullptr) {
          node_.heap.Free(mine, 128);
        }
        mine = mail[cpu * 8].exchange(nullptr, std::memory_order_acq_rel);
        if (mine != nullptr) {
          node_.heap.Free(mine, 128);
        }
      },
      200);
  // The two mailboxes, the block when written, the block when freed, and a share of the way home.
  EXPECT_LE(report.shared_per_operation, 5.0) << report.Text();
  RecordProperty("shared_per_operation", std::to_string(report.shared_per_operation));
  for (auto& each : mail) node_.heap.Free(each.exchange(nullptr), 128);
  for (int round = 0; round < 2; ++round) {
    machine::hosted::RunOnAllCpus([&](machine::CpuId) { node_.heap.Trim(); });
  }
}

}  // namespace
}  // namespace k42::test
