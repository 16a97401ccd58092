// The tracer as the kernel uses it, hosted: masks, buffers of CPUs, text.
#include "trace/trace.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "abi/trace_text.h"
#include "machine/hosted.h"

namespace k42::trace {
namespace {

struct alignas(4096) BufferMemory {
  unsigned char bytes[kBufferBytes] = {};
};

class Trace : public testing::Test {
 protected:
  Trace() : memory_(machine::CpuCount()) {
    for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu)
      Start(cpu, memory_[cpu].bytes, 0x1000 * (cpu + 1));
  }
  ~Trace() override { k42_trace_area.mask.store(0); }

  std::vector<BufferMemory> memory_;
};

std::vector<std::uint32_t> Numbers(machine::CpuId cpu) {
  std::vector<std::uint32_t> numbers;
  VisitLast(cpu, 100, [&](const Record& record) { numbers.push_back(record.header.number); });
  return numbers;
}

TEST_F(Trace, OffUntilMaskedIn) {
  Log(kThreadSwitch, 1, 2);
  EXPECT_TRUE(Numbers(0).empty());
  SetMask(MaskOf(Class::kThread));
  Log(kThreadSwitch, 1, 2);
  Log(kPageFault, 1, 2);
  EXPECT_EQ(Numbers(0),
            (std::vector<std::uint32_t>{kMaskChanged.info.number, kThreadSwitch.info.number}));
}

TEST_F(Trace, EachCpuHasItsOwn) {
  SetMask(MaskOf(Class::kThread));
  machine::hosted::RunOnAllCpus([](machine::CpuId cpu) {
    for (std::uint64_t i = 0; i < 1000; ++i) Log(kThreadSwitch, cpu, i);
  });
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    std::uint64_t next = 0;
    std::uint64_t last_time = 0;
    VisitLast(cpu, 1000, [&](const Record& record) {
      EXPECT_EQ(record.arguments[0], cpu);
      EXPECT_EQ(record.arguments[1], next++);
      EXPECT_GE(record.time, last_time);
      last_time = record.time;
    });
    EXPECT_EQ(next, 1000u);
  }
}

TEST(TraceMask, ByName) {
  EXPECT_EQ(ParseMask("thread,memory"), MaskOf(Class::kThread) | MaskOf(Class::kMemory));
  EXPECT_EQ(ParseMask("all"), (1u << kClassCount) - 1);
  EXPECT_EQ(ParseMask(""), 0u);
  EXPECT_EQ(ParseMask("thread,nonsense"), std::nullopt);
  EXPECT_EQ(ParseMask("thread,,memory"), std::nullopt);
}

std::string TextOf(const EventInfo& info, std::vector<std::uint64_t> arguments) {
  char text[100];
  const Header header{static_cast<std::uint32_t>(kRecordWords + arguments.size()),
                      static_cast<std::uint32_t>(info.event_class), info.number};
  return std::string(text, Describe(header, arguments, text));
}

TEST(TraceText, Describes) {
  EXPECT_EQ(TextOf(kThreadSwitch.info, {3, 4}), "thread_switch: from 3 to 4");
  EXPECT_EQ(TextOf(kThreadSwitch.info, {3}), "event 16 with 1 arguments");
  EXPECT_EQ(TextOf(kProcessName.info, {7, 0x6d'6172'676f'7270, 0x1b'6c'61}),
            "process_name: process 7 is programal.");
}

}  // namespace
}  // namespace k42::trace
