#include "boot/start_trace.h"

#include "early_memory.h"
#include "machine/boot_info.h"
#include "machine/log.h"
#include "machine/phys.h"
#include "panic.h"
#include "platform/contract/trace_hook.h"
#include "pvh.h"
#include "trace/trace.h"

namespace k42::boot {
namespace {

constexpr std::uint32_t kEventsInPanic = 12;  // per CPU

void OnPlatformEvent(machine::PlatformEvent event, std::uint64_t a, std::uint64_t b) {
  using machine::PlatformEvent;
  switch (event) {
    case PlatformEvent::kThreadSwitch:
      return trace::Log(trace::kThreadSwitch, a, b);
    case PlatformEvent::kThreadWake:
      return trace::Log(trace::kThreadWake, a, b);
    case PlatformEvent::kInterrupt:
      return trace::Log(trace::kInterrupt, a, b);
    case PlatformEvent::kMessage:
      return trace::Log(trace::kMessage, a, b);
    case PlatformEvent::kTimer:
      return trace::Log(trace::kTimer, a, b);
    case PlatformEvent::kIdle:
      return trace::Log(trace::kIdle, a, b);
  }
}

}  // namespace

void StartTrace() {
  const std::uint32_t cpus = machine::GetAcpi().cpu_count;
  constexpr std::uint64_t kPages =
      (trace::kBufferBytes + machine::kPageSize - 1) / machine::kPageSize;
  for (machine::CpuId cpu = 0; cpu < cpus || cpu == 0; ++cpu) {
    const machine::PhysAddr memory = machine::AllocateEarly(kPages);
    trace::Start(cpu, machine::PhysToVirt(memory), memory);
  }
  const std::uint32_t mask = trace::ParseMask(machine::BootOption("trace", "")).value_or(0);
  if (mask != 0) {
    SetTraceMask(mask);
    machine::Log("trace: classes {x} on", mask);
  }
}

void SetTraceMask(std::uint32_t mask) {
  trace::SetMask(mask);
  machine::trace_hook.store(OnPlatformEvent, std::memory_order_relaxed);
  machine::SetPanicHook([] { trace::PrintLast(kEventsInPanic); });
}

}  // namespace k42::boot
