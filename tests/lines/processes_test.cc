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
  void Report(const char* what, const LineReport& report, double most) {
    std::printf("%s: %s", what, report.Text().c_str());
    RecordProperty("shared_per_operation", std::to_string(report.shared_per_operation));
    EXPECT_LE(report.shared_per_operation, most) << report.Text();
  }

  CountingProcesses& processes_ = CountingProcesses::Get();
};

TEST_F(ProcessLines, SpawnAndEnd) {
  const LineReport report = CountLines(
      kCpus, 100,
      [&](machine::CpuId cpu, std::uint32_t) { processes_.End(cpu, processes_.Spawn(cpu)); }, 50);
  Report("spawn, end", report, kMostPerSpawn);
}

TEST_F(ProcessLines, ForkAndEnd) {
  const LineReport report = CountLines(
      kCpus, 100,
      [&](machine::CpuId cpu, std::uint32_t) { processes_.End(cpu, processes_.Fork(cpu)); }, 50);
  Report("fork, end", report, kMostPerFork);
}

}  // namespace
}  // namespace k42::test
