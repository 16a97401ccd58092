// Trace events: what recording on one CPU writes that others write too.
#include "trace/trace.h"

#include <cstdlib>
#include <cstring>

#include "lines/counting_node.h"

namespace k42::test {
namespace {

class TraceLines : public ::testing::Test {
 protected:
  TraceLines() {
    for (machine::CpuId cpu = 0; cpu < CountingNode::kCpus; ++cpu) {
      void* memory = std::aligned_alloc(4096, trace::kBufferBytes);
      std::memset(memory, 0, trace::kBufferBytes);
      trace::Start(cpu, memory, 0x1000 * (cpu + 1));
    }
  }
  ~TraceLines() override { k42_trace_area.mask.store(0); }  // the buffers stay: CPUs know them

  CountingNode& node_ = CountingNode::Get();
};

TEST_F(TraceLines, EventsShareNone) {
  trace::SetMask(trace::MaskOf(trace::Class::kThread));
  // More than a buffer holds, so that blocks are begun and the ring goes round.
  constexpr std::uint32_t kEvents = 4 * trace::kBufferBytes / 32;
  const LineReport report = CountLines(
      4, kEvents,
      [](machine::CpuId cpu, std::uint32_t number) {
        trace::Log(trace::kThreadSwitch, cpu, number);
      },
      10);
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
  EXPECT_GE(report.written_per_operation, 1) << report.Text();
  for (machine::CpuId cpu = 0; cpu < CountingNode::kCpus; ++cpu) {
    std::uint64_t seen = 0;
    trace::VisitLast(cpu, 100, [&](const trace::Record&) { ++seen; });
    EXPECT_EQ(seen, 100u);  // they were recorded, not refused
  }
}

TEST_F(TraceLines, AClassThatIsOffWritesNothing) {
  const LineReport report = CountLines(
      4, 1000,
      [](machine::CpuId cpu, std::uint32_t number) {
        trace::Log(trace::kThreadSwitch, cpu, number);
      },
      10);
  EXPECT_EQ(report.written_per_operation, 0) << report.Text();
}

}  // namespace
}  // namespace k42::test
