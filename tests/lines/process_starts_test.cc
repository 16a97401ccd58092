// A start that fails is nobody's but its maker's: in this build because its processes are real
// ones.
#include <vector>

#include "lines/counting_processes.h"

namespace k42::test {
namespace {

TEST(ProcessStarts, WhatCannotBeMadeIsNeverFound) {
  CountingProcesses& processes = CountingProcesses::Get();
  const proc::Image& image = *processes.services().images.Get(1);
  proc::Image bad = image;
  bad.layout.segments[0].begin += 1;  // cannot be mapped
  const auto start = [&](const proc::Image& what) {
    return proc::Process::StartFirst(processes.services(), what, BufferIn::Kernel(nullptr, 0), {},
                                     true);
  };
  std::vector<std::uint32_t> made;
  do {  // until the CPU's turn of numbers is long enough
    made.push_back(start(image).value());
  } while (made.back() % proc::NumberTable::kTurn + 2 >= proc::NumberTable::kTurn);
  EXPECT_FALSE(start(bad).ok());
  const std::uint32_t before = made.back();
  made.push_back(start(image).value());
  EXPECT_EQ(made.back(), before + 1) << "it had a task, which others could find";
  for (const std::uint32_t number : made)
    processes.Find(number).EndRunning(proc::ExitKind::kExited, 0);
}

}  // namespace
}  // namespace k42::test
