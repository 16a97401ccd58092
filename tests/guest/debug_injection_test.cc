// Interrupts put into marked ranges (machine/stepped_range.h) find what they are meant to find: a
// count that an interrupt handler changes too, read and written back by two instructions, loses
// some.
#include <atomic>

#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "machine/stepped_range.h"
#include "platform/contract/trace_hook.h"

namespace k42 {
namespace {

// Of this CPU. What the handler counts both ways.
constinit volatile std::uint64_t in_two_steps = 0;
constinit std::atomic<std::uint64_t> in_one_step{0};
constinit std::atomic<std::uint64_t> handled{0};
constinit machine::CpuId counting = 0;

void CountInterrupt(machine::PlatformEvent event, std::uint64_t, std::uint64_t) {
  if (event == machine::PlatformEvent::kInterrupt && machine::CurrentCpu() == counting) {
    in_two_steps = in_two_steps + 1;
    in_one_step.fetch_add(1);
    handled.fetch_add(1);
  }
}

GUEST_TEST(debug_injected_interrupts_find_a_race) {
  constexpr std::uint64_t kRounds = 5000;
  const std::uint32_t before = machine::Injection();
  const machine::TraceHook hook = machine::trace_hook.load();
  counting = machine::CurrentCpu();
  in_two_steps = 0;
  in_one_step = handled = 0;
  const std::uint64_t injected = machine::InjectedInterrupts();
  machine::trace_hook = CountInterrupt;
  machine::SetInjection(20);
  for (std::uint64_t i = 0; i < kRounds; ++i) {
    const machine::SteppedRange stepped;
    in_two_steps = in_two_steps + 1;
    in_one_step.fetch_add(1);
  }
  machine::SetInjection(before);
  machine::trace_hook = hook;
  const std::uint64_t interrupts = handled.load();
  machine::Log("  {} interrupts injected, {} handled, {} counts lost",
               machine::InjectedInterrupts() - injected, interrupts,
               kRounds + interrupts - in_two_steps);
  EXPECT(machine::InjectedInterrupts() - injected >= kRounds / 20);
  EXPECT(interrupts >= kRounds / 20);
  EXPECT_EQ(in_one_step.load(), kRounds + interrupts);
  EXPECT(in_two_steps < kRounds + interrupts);
}

}  // namespace
}  // namespace k42
