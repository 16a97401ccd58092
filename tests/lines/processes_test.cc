// Processes that come and go on each CPU, in families that have nothing to do with each other: from
// the parent's call to the end of its wait. The children's programs are not run: they are ready
// when they are told to end.
#include <cstdio>
#include <string>

#include "lines/counting_processes.h"

namespace k42::test {
namespace {

constexpr machine::CpuId kCpus = CountingProcesses::kCpus;

class ProcessLines : public ::testing::Test {
 protected:
  // No line that each birth or end writes. What is left is taken or given back many at a time:
  // turns of 32 numbers, ids of objects, records of 32 tasks and their grace period.
  static constexpr double kMostPerFork = 0.5;
  // And the lock of their program's pages, the same file for all: a spawned one is shown them at
  // once, where it took that lock for its first faults before.
  static constexpr double kMostPerSpawn = 1.8;
  // The machine may stop a CPU's thread for long, and what others would have given back by then
  // comes in a burst, which goes past their own stocks: the least of some counts is the product's.
  static constexpr int kCounts = 6;

  template <typename Count>
  void Report(const char* what, double most, Count count) {
    LineReport least = count();
    for (int i = 1; i < kCounts && least.shared_per_operation > most; ++i) {
      const LineReport report = count();
      if (report.shared_per_operation < least.shared_per_operation)
        least = report;
    }
    std::printf("%s: %s", what, least.Text().c_str());
    RecordProperty("shared_per_operation", std::to_string(least.shared_per_operation));
    EXPECT_LE(least.shared_per_operation, most) << least.Text();
  }

  CountingProcesses& processes_ = CountingProcesses::Get();
};

TEST_F(ProcessLines, SpawnAndEnd) {
  Report("spawn, end", kMostPerSpawn, [&] {
    return CountLines(
        kCpus, 100,
        [&](machine::CpuId cpu, std::uint32_t) { processes_.End(cpu, processes_.Spawn(cpu)); }, 50);
  });
}

TEST_F(ProcessLines, ForkAndEnd) {
  Report("fork, end", kMostPerFork, [&] {
    return CountLines(
        kCpus, 100,
        [&](machine::CpuId cpu, std::uint32_t) { processes_.End(cpu, processes_.Fork(cpu)); }, 50);
  });
}

}  // namespace
}  // namespace k42::test
