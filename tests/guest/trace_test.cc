// Trace buffers of a running kernel (run with --append trace=thread,interrupt to see more).
#include "trace/trace.h"

#include <atomic>

#include "guest/guest_test.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/thread.h"

namespace k42 {
namespace {

using trace::Record;

// Only these classes, until the end of the scope.
class OnlyClasses {
 public:
  explicit OnlyClasses(std::uint32_t mask) : before_(trace::GetMask()) { trace::SetMask(mask); }
  ~OnlyClasses() { trace::SetMask(before_); }

 private:
  const std::uint32_t before_;
};

GUEST_TEST(trace_records_in_order_of_time) {
  {
    const OnlyClasses only(trace::MaskOf(trace::Class::kMemory));
    for (std::uint64_t i = 0; i < 100; ++i) trace::Log(trace::kPageFault, 0x1000 + i, 2);
  }
  std::uint64_t last_time = 0;
  std::uint64_t found = 0;
  bool in_order = true;
  trace::VisitLast(machine::CurrentCpu(), 10'000, [&](const Record& record) {
    in_order = in_order && record.time >= last_time;
    last_time = record.time;
    if (record.header.number == trace::kPageFault.info.number &&
        record.arguments[0] == 0x1000 + found) {
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

// -- what an event costs, in instructions ---------------------------------------------------------

// Where one instruction is one ns and the counter counts those (run.py --icount); else the figures
// say nothing, and are neither shown nor checked.
bool CountsInstructions() {
  const machine::InterruptsOff off;
  const std::uint64_t before = machine::CycleCount();
  asm volatile(".rept 1000\n nop\n .endr");
  const std::uint64_t took = machine::CycleCount() - before;
  return took >= 1000 && took < 1010;
}

template <typename Work>
std::uint64_t Sixteen(Work work) {
  const machine::InterruptsOff off;
  std::uint64_t best = ~std::uint64_t{0};
  for (int round = 0; round < 64; ++round) {  // the least: some rounds begin a block
    const std::uint64_t before = machine::CycleCount();
    work(1), work(2), work(3), work(4), work(5), work(6), work(7), work(8);
    work(9), work(10), work(11), work(12), work(13), work(14), work(15), work(16);
    const std::uint64_t took = machine::CycleCount() - before;
    best = took < best ? took : best;
  }
  return best;
}

GUEST_TEST(trace_cost) {
  if (!CountsInstructions())
    SKIP("instructions are not counted");
  auto nothing = [](std::uint64_t i) __attribute__((always_inline)) {
    asm volatile("" ::"r"(i), "r"(i), "r"(i));
  };
  auto event = [](std::uint64_t i) __attribute__((always_inline)) {
    trace::Log(trace::kUserMark, i, i, i);
  };
  const std::uint64_t floor = Sixteen(nothing);
  std::uint64_t on, off;
  {
    const OnlyClasses only(trace::MaskOf(trace::Class::kUser));
    on = Sixteen(event);
  }
  {
    const OnlyClasses only(0);
    off = Sixteen(event);
  }
  // Rounded up: a part of an instruction is one.
  const std::uint64_t cost_on = (on - floor + 15) / 16, cost_off = (off - floor + 15) / 16;
  machine::Log("figure trace_event_on {}", cost_on);
  machine::Log("figure trace_event_off {}", cost_off);
  EXPECT(cost_on <= 30);
  EXPECT(cost_off <= 3);
}

// -- all CPUs at their maximum --------------------------------------------------------------------

constexpr std::uint64_t kStormEvents = 200'000;

struct Storm {
  std::atomic<std::uint32_t> running{0};
  std::atomic<bool> go{false};
};

void Write(void* argument) {
  auto& storm = *static_cast<Storm*>(argument);
  while (!storm.go.load(std::memory_order_acquire)) machine::Thread::Yield();
  const std::uint64_t cpu = machine::CurrentCpu();
  for (std::uint64_t i = 0; i < kStormEvents; ++i) {
    trace::Log(trace::kUserMark, i, ~i, cpu);
    if (i % 4096 == 0)
      machine::Thread::PreemptionPoint();
  }
  storm.running.fetch_sub(1, std::memory_order_acq_rel);
  machine::Thread::Exit();
}

// What one CPU's events must be.
struct Check {
  trace::ReadState state;
  std::uint64_t marks = 0;
  std::uint64_t next_mark = 0;
  std::uint64_t last_time = 0;
  std::uint64_t torn = 0, back = 0, doubled = 0;

  void Visit(machine::CpuId cpu, bool over) {
    trace::CpuReader memory(*trace::BufferOf(cpu));
    trace::BufferReader<trace::CpuReader> reader(memory, trace::kCpuBlockBytes,
                                                 trace::kTraceBlocks);
    reader.Visit(state, over, [&](const Record& record) {
      back += record.time < last_time;
      last_time = record.time;
      if (record.header.number != trace::kUserMark.info.number)
        return;
      const std::uint64_t i = record.arguments[0];
      torn += record.arguments.size() != 3 || record.arguments[1] != ~i ||
              record.arguments[2] != cpu || i >= kStormEvents;
      doubled += i < next_mark;
      next_mark = i + 1;
      ++marks;
    });
  }
};

GUEST_TEST(trace_storm) {
  static constinit Check checks[machine::kMaxCpus] = {};
  const OnlyClasses only(trace::MaskOf(trace::Class::kUser));
  std::uint64_t before[machine::kMaxCpus];
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    checks[cpu] = {};
    checks[cpu].Visit(cpu, true);
    before[cpu] = checks[cpu].state.logged;
    checks[cpu].marks = checks[cpu].next_mark = 0;
    checks[cpu].state.lost = 0;
  }
  Storm storm;
  storm.running = machine::CpuCount();
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu)
    REQUIRE(machine::Thread::Create("storm", Write, &storm, cpu).ok());
  storm.go.store(true, std::memory_order_release);
  while (storm.running.load(std::memory_order_acquire) != 0) {
    for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) checks[cpu].Visit(cpu, false);
    machine::Thread::Yield();
  }
  std::uint64_t lost = 0, seen = 0;
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    Check& check = checks[cpu];
    check.Visit(cpu, true);
    EXPECT_EQ(check.torn, 0u);
    EXPECT_EQ(check.back, 0u);
    EXPECT_EQ(check.doubled, 0u);
    // Nothing else is recorded in this class: what was written is what was seen and what was lost.
    EXPECT_EQ(check.state.logged - before[cpu], kStormEvents);
    EXPECT_EQ(check.marks + check.state.lost, kStormEvents);
    EXPECT_EQ(check.state.dropped, 0u);
    lost += check.state.lost;
    seen += check.marks;
  }
  machine::Log("trace: {} CPUs wrote {} events each: {} seen, {} lost", machine::CpuCount(),
               kStormEvents, seen, lost);
}

}  // namespace
}  // namespace k42
