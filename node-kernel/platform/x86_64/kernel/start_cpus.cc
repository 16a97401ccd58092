#include "start_cpus.h"

#include <atomic>
#include <cstring>

#include "base/assert.h"
#include "clock.h"
#include "cpu_features.h"
#include "cpu_state.h"
#include "instructions.h"
#include "kernel_tables.h"
#include "lapic.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "machine/phys.h"
#include "machine/trace_buffer.h"
#include "pvh.h"
#include "scheduler.h"

extern "C" {
// For ap_entry.S; constant while processors start.
std::uint8_t ap_cpu_of_apic[256] = {};
std::uint64_t ap_stack_tops[k42::machine::kMaxCpus] = {};
std::uint64_t ap_kernel_root = 0;
extern const char ap_trampoline[], ap_trampoline_end[];
[[noreturn]] void ApEntry(k42::machine::CpuId cpu);
}

namespace k42::machine {
namespace {

constexpr PhysAddr kTrampolineBase = 0x8000;  // also in ap_entry.S
constexpr std::uint64_t kPatienceNs = 1'000'000'000;
constexpr std::uint64_t kRepeatNs = 5'000'000;

constinit std::atomic<CpuId> started{1};
constinit std::atomic<bool> up[kMaxCpus] = {};
constinit void* trace_buffers[kMaxCpus] = {};  // until a CPU has its area

}  // namespace

CpuId CpuCount() {
  return started.load(std::memory_order_relaxed);
}

void SetTraceBuffer(CpuId cpu, void* buffer) {
  trace_buffers[cpu] = buffer;
  if (cpu == CurrentCpu())
    ThisCpuArea()->trace_buffer = buffer;
}

void MapCpuArea(CpuId cpu, std::uint32_t apic_id) {
  const auto base = reinterpret_cast<std::uint64_t>(AreaOf(cpu));
  const Status status = MapKernelMemory(base, kPageSize);
  const Status stacks =
      MapKernelMemory(base + kCriticalStacksOffset, kCriticalStacks * kCriticalStackSize);
  const Status table = MapObjectTable(cpu, kObjectTableBootSlots);
  K42_ASSERT(IsOk(status) && IsOk(stacks) && IsOk(table), "memory for a CPU area");
  CpuArea* area = AreaOf(cpu);
  area->self = area;
  area->id = cpu;
  area->apic_id = apic_id;
  area->state = &StateOf(cpu);
  area->trace_buffer = trace_buffers[cpu];
}

void StartBootCpu() {
  MapCpuArea(0, LapicId());
  BuildInterruptTable();
  StartSegments(0);
  Scheduler::AdoptBootThread();
  K42_ASSERT(IsOk(Scheduler::PrepareCpu(0)), "memory for the boot CPU's threads");
}

void MaskPic() {
  OutByte(0x21, 0xff);
  OutByte(0xa1, 0xff);
}

void StartOtherCpus() {
  const AcpiInfo& acpi = GetAcpi();
  const std::uint32_t self = LapicId();
  std::uint32_t apic_ids[kMaxCpus] = {self};
  CpuId count = 1;
  for (std::uint32_t i = 0; i < acpi.cpu_count && count < kMaxCpus; ++i) {
    const std::uint32_t apic_id = acpi.cpus[i].apic_id;
    if (apic_id == self) {
      continue;
    }
    MapCpuArea(count, apic_id);
    K42_ASSERT(IsOk(Scheduler::PrepareCpu(count)), "memory for a CPU's threads");
    ap_cpu_of_apic[apic_id] = static_cast<std::uint8_t>(count);
    ap_stack_tops[count] = Scheduler::LoopStackTop(count);
    apic_ids[count] = apic_id;
    ++count;
  }
  ap_kernel_root = KernelRoot();
  std::memcpy(PhysToVirt(kTrampolineBase), ap_trampoline,
              static_cast<std::size_t>(ap_trampoline_end - ap_trampoline));
  for (CpuId cpu = 1; cpu < count; ++cpu) {
    SendInit(apic_ids[cpu]);
  }
  // Emulated and virtualized processors are ready at once; a real one may miss the first start-up
  // and gets it again.
  const std::uint64_t begin = MonotonicNs();
  for (CpuId cpu = 1; cpu < count; ++cpu) {
    SendStartup(apic_ids[cpu], kTrampolineBase >> kPageShift);
  }
  std::uint64_t repeat = begin + kRepeatNs;
  for (CpuId cpu = 1; cpu < count; ++cpu) {
    while (!up[cpu].load(std::memory_order_acquire)) {
      const std::uint64_t now = MonotonicNs();
      // CPU numbers are dense: one that is missing in the middle cannot be left out.
      K42_ASSERT(now < begin + kPatienceNs + cpu * kPatienceNs, "a processor does not start");
      if (now > repeat) {
        repeat = now + kRepeatNs * 20;
        SendStartup(apic_ids[cpu], kTrampolineBase >> kPageShift);
      }
      Pause();
    }
  }
  started.store(count, std::memory_order_relaxed);
}

extern "C" void ApEntry(CpuId cpu) {
  EnableCpuFeatures();
  StartSegments(cpu);
  StartLapic();
  up[cpu].store(true, std::memory_order_release);
  Scheduler::EnterLoop();
}

}  // namespace k42::machine
