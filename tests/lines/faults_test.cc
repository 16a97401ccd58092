// Page faults, and changes of the map: what those of independent processes write in common, and
// what those of one process do. The page tables are real, the CPU that walks them is simulated and
// not counted, nor is the way from the trap to AddressSpace (proc/user_traps.cc, the dispatcher's
// own).
#include <array>
#include <cstdio>
#include <memory>
#include <vector>

#include "lines/counting_node.h"
#include "unit/mem/test_space.h"

namespace k42::test {
namespace {

using mem::Access;
using mem::AddressSpace;
using mem::kPageSize;

constexpr mem::Protection kReadWrite = mem::kProtectRead | mem::kProtectWrite;
constexpr machine::CpuId kCpus = CountingNode::kCpus;

class FaultLines : public ::testing::Test {
 protected:
  // One for each CPU, made by CPU 0, as a shell makes the processes of a pipe.
  void MakeSpaces() {
    for (AddressSpace*& space : spaces_) space = AddressSpace::Create(node_.services).value();
  }
  void TearDown() override {
    machine::hosted::RunOnAllCpus(
        [this](machine::CpuId) { mem::Hat::LeaveThisCpu(node_.services.loaded_hats); });
    for (AddressSpace* space : spaces_) {
      if (space != nullptr) {
        space->Destroy();
      }
    }
  }
  // Descriptors are made for a whole chunk by whoever is first to want one of its frames, once in
  // the life of a node.
  void TouchAllChunks() {
    std::vector<mem::Frame*> runs;
    for (;;) {
      const auto run =
          node_.frames.AllocateRun(mem::kPagesPerLargePage, mem::FramePurpose::kKernel);
      if (!run.ok())
        break;
      runs.push_back(run.value());
    }
    for (mem::Frame* run : runs) node_.frames.FreeRun(run, mem::kPagesPerLargePage);
  }
  static std::uint64_t MapAnonymous(AddressSpace& space, std::uint64_t pages) {
    return space.Map({.size = pages * kPageSize, .protection = kReadWrite}).value();
  }
  void Report(const char* what, const LineReport& report) {
    std::printf("%s: %s", what, report.Text().c_str());
    RecordProperty("shared_per_operation", std::to_string(report.shared_per_operation));
  }

  CountingNode& node_ = CountingNode::Get();
  std::array<AddressSpace*, kCpus> spaces_{};
};

// Memory that grows: each 16th page is from the node's pool of frames, of which all CPUs write one
// line, and one or two of the chunk that they take frames of: 2.5 lines for 16 pages, 0.156 a page.
constexpr double kMostPerFirstTouch = 0.17;
TEST_F(FaultLines, FirstTouchInIndependentProcesses) {
  constexpr std::uint32_t kTouches = 2000, kWarmUp = 100;
  TouchAllChunks();
  MakeSpaces();
  std::array<std::uint64_t, kCpus> at{};
  for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu)
    at[cpu] = MapAnonymous(*spaces_[cpu], kTouches + kWarmUp);
  const LineReport report = CountLines(
      kCpus, kTouches,
      [&](machine::CpuId cpu, std::uint32_t number) {
        EXPECT_EQ(mem::Store(*spaces_[cpu], at[cpu] + number * kPageSize, number), Status::kOk);
      },
      kWarmUp);
  Report("first touch", report);
  EXPECT_LE(report.shared_per_operation, kMostPerFirstTouch) << report.Text();
}

TEST_F(FaultLines, PagesThatComeAndGoInIndependentProcesses) {
  MakeSpaces();
  std::array<std::uint64_t, kCpus> at{};
  for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) at[cpu] = MapAnonymous(*spaces_[cpu], 8);
  const LineReport report = CountLines(
      kCpus, 2000,
      [&](machine::CpuId cpu, std::uint32_t number) {
        const std::uint64_t page = at[cpu] + number % 8 * kPageSize;
        EXPECT_EQ(mem::Store(*spaces_[cpu], page, number), Status::kOk);
        EXPECT_EQ(spaces_[cpu]->Advise(page, kPageSize, mem::Advice::kDontNeed), Status::kOk);
      },
      100);
  Report("touch, forget", report);
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
}

TEST_F(FaultLines, MapTouchUnmapInIndependentProcesses) {
  MakeSpaces();
  const LineReport report = CountLines(
      kCpus, 2000,
      [&](machine::CpuId cpu, std::uint32_t number) {
        const std::uint64_t at = MapAnonymous(*spaces_[cpu], 4);
        EXPECT_EQ(mem::Store(*spaces_[cpu], at, number), Status::kOk);
        EXPECT_EQ(spaces_[cpu]->Unmap(at, 4 * kPageSize), Status::kOk);
      },
      100);
  Report("map, touch, unmap", report);
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
}

TEST_F(FaultLines, PrivateMappingsOfOwnFiles) {
  constexpr std::uint32_t kPages = 64;
  MakeSpaces();
  std::array<std::unique_ptr<mem::TestFile>, kCpus> files;
  std::array<std::uint64_t, kCpus> at{};
  for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) {
    files[cpu] = std::make_unique<mem::TestFile>(node_.services, kPages * kPageSize, false);
    at[cpu] =
        spaces_[cpu]
            ->Map({.size = kPages * kPageSize, .protection = kReadWrite, .source = files[cpu]->fcm})
            .value();
  }
  const LineReport report = CountLines(
      kCpus, 2000,
      [&](machine::CpuId cpu, std::uint32_t number) {
        const std::uint64_t page = at[cpu] + number % kPages * kPageSize;
        EXPECT_EQ(mem::Load(*spaces_[cpu], page).value(), 0u);
        EXPECT_EQ(mem::Store(*spaces_[cpu], page, number), Status::kOk);
        EXPECT_EQ(spaces_[cpu]->Advise(page, kPageSize, mem::Advice::kDontNeed), Status::kOk);
      },
      200);
  Report("read, write, forget a private page of a file", report);
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
  for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) {
    EXPECT_EQ(spaces_[cpu]->Unmap(at[cpu], kPages * kPageSize), Status::kOk);
    files[cpu]->fcm->DropReference();
  }
}

// One process has one table of pages and one tree of regions, a line each with its lock; and the
// pages come from the node's pool.
constexpr double kMostInOneProcess = 2 + kMostPerFirstTouch;
TEST_F(FaultLines, OwnRegionsOfOneProcess) {
  TouchAllChunks();
  AddressSpace& space = *(spaces_[0] = AddressSpace::Create(node_.services).value());
  constexpr std::uint32_t kTouches = 2000, kWarmUp = 100;
  std::array<std::uint64_t, kCpus> at{};
  for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu)
    at[cpu] = space
                  .Map({.address = (cpu + 1) * (std::uint64_t{1} << 30),
                        .size = (kTouches + kWarmUp) * kPageSize,
                        .placement = mem::Placement::kFixed,
                        .protection = kReadWrite})
                  .value();
  const LineReport report = CountLines(
      kCpus, kTouches,
      [&](machine::CpuId cpu, std::uint32_t number) {
        EXPECT_EQ(mem::Store(space, at[cpu] + number * kPageSize, number), Status::kOk);
      },
      kWarmUp);
  Report("first touch, one process", report);
  EXPECT_LE(report.shared_per_operation, kMostInOneProcess) << report.Text();
}

TEST_F(FaultLines, ForksOfIndependentProcesses) {
  MakeSpaces();
  std::array<std::uint64_t, kCpus> at{};
  for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) {
    at[cpu] = MapAnonymous(*spaces_[cpu], 16);
  }
  const LineReport report = CountLines(
      kCpus, 200,
      [&](machine::CpuId cpu, std::uint32_t number) {
        for (int page = 0; page < 16; ++page)
          EXPECT_EQ(mem::Store(*spaces_[cpu], at[cpu] + page * kPageSize, number), Status::kOk);
        AddressSpace* const child = spaces_[cpu]->ForkCopy().value();
        EXPECT_EQ(mem::Store(*child, at[cpu], number), Status::kOk);
        child->Destroy();
      },
      50);
  Report("fork, touch, end", report);
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
}

}  // namespace
}  // namespace k42::test
