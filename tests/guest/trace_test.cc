// Trace buffers of a running kernel (run with --append trace=thread,interrupt to see more).
#include "trace/trace.h"
#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/thread.h"

namespace k42 {
namespace {

GUEST_TEST(trace_records_in_order_of_time) {
  const std::uint32_t mask = trace::GetMask();
  trace::SetMask(mask | trace::MaskOf(trace::Class::kMemory));
  for (std::uint64_t i = 0; i < 100; ++i) {
    trace::Log(trace::kPageFault, 0x1000 + i, 2);
  }
  trace::SetMask(mask);
  const trace::CpuBuffer* buffer = trace::BufferOf(machine::CurrentCpu());
  REQUIRE(buffer != nullptr);
  std::uint64_t last_time = 0;
  std::uint64_t found = 0;
  bool in_order = true;
  buffer->ForEach([&](std::uint64_t time, const trace::Header& header,
                      std::span<const std::uint64_t> arguments) {
    in_order = in_order && time >= last_time;
    last_time = time;
    if (header.number == trace::kPageFault.info.number && arguments[0] == 0x1000 + found) {
      ++found;
    }
  });
  EXPECT(in_order);
  EXPECT_EQ(found, 100u);
}

GUEST_TEST(trace_every_cpu_has_a_buffer) {
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    EXPECT(trace::BufferOf(cpu) != nullptr);
  }
}

}  // namespace
}  // namespace k42
