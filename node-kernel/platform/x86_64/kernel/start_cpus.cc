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
// For ap_entry.S: the number under which the processor with that APIC id is awaited; 0: it is not,
// and one that comes halts for good; kTaken: it has come and taken its number.
std::atomic<std::uint8_t> ap_cpu_of_apic[256] = {};
std::uint64_t ap_stack_tops[k42::machine::kMaxCpus] = {};
std::uint64_t ap_kernel_root = 0;
extern const char ap_trampoline[], ap_trampoline_end[];
[[noreturn]] void ApEntry(k42::machine::CpuId cpu);
}

namespace k42::machine {
namespace {

constexpr PhysAddr kTrampolineBase = 0x8000;  // also in ap_entry.S
constexpr std::uint8_t kTaken = 0xff;         // also in ap_entry.S
static_assert(kMaxCpus < kTaken && sizeof(ap_cpu_of_apic) == 256);
// Long: an emulated processor may wait for its host's turn, and one that is given up is lost.
constexpr std::uint64_t kPatienceNs = 5'000'000'000;
constexpr std::uint64_t kNsPerMs = 1'000'000;
// A real processor may miss the first start-up, and gets it again.
constexpr std::uint64_t kFirstRepeatNs = 5 * kNsPerMs;
constexpr std::uint64_t kRepeatNs = 100 * kNsPerMs;

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
  const Status table = MapObjectTable(cpu, kObjectTableBootSlots);
  K42_ASSERT(IsOk(status) && IsOk(table), "memory for a CPU area");
  for (unsigned i = 0; i < kCriticalStacks; ++i) {
    const Status stack = MapKernelMemory(CriticalStackBase(base, i), kCriticalStackSize);
    K42_ASSERT(IsOk(stack), "memory for a CPU's critical stacks");
  }
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

namespace {

// Starts one processor as `cpu` and waits until it is in its loop; false: it never came. A
// processor that came and then got stuck executes kernel code on kernel tables: nobody can go on
// beside it.
bool StartCpu(CpuId cpu, std::uint32_t apic_id) {
  std::atomic<std::uint8_t>& number = ap_cpu_of_apic[apic_id];
  number.store(static_cast<std::uint8_t>(cpu), std::memory_order_release);
  SendStartup(apic_id, kTrampolineBase >> kPageShift);
  const std::uint64_t begin = MonotonicNs();
  std::uint64_t repeat = begin + kFirstRepeatNs;
  std::uint32_t sent = 1;
  while (!up[cpu].load(std::memory_order_acquire)) {
    const std::uint64_t now = MonotonicNs();
    const bool came = number.load(std::memory_order_acquire) == kTaken;
    if (now - begin > kPatienceNs && !came) {
      auto expected = static_cast<std::uint8_t>(cpu);
      if (number.compare_exchange_strong(expected, 0)) {
        Log("the processor with APIC id {} does not start: CPU {} sent it INIT and {} start-ups "
            "and waited {} ms, and it never came; going on without it",
            apic_id, CurrentCpu(), sent, (now - begin) / kNsPerMs);
        return false;
      }
    } else if (now - begin > 2 * kPatienceNs) {
      Panic(
          "CPU {} (APIC id {}) came when CPU {} had started it, and did not reach its loop within "
          "{} ms",
          cpu, apic_id, CurrentCpu(), (now - begin) / kNsPerMs);
    } else if (now > repeat && !came) {
      repeat = now + kRepeatNs;
      SendStartup(apic_id, kTrampolineBase >> kPageShift);
      ++sent;
    }
    Pause();
  }
  return true;
}

}  // namespace

void StartOtherCpus() {
  const AcpiInfo& acpi = GetAcpi();
  const std::uint32_t self = LapicId();
  ap_kernel_root = KernelRoot();
  std::memcpy(PhysToVirt(kTrampolineBase), ap_trampoline,
              static_cast<std::size_t>(ap_trampoline_end - ap_trampoline));
  for (std::uint32_t i = 0; i < acpi.cpu_count; ++i) {
    if (acpi.cpus[i].apic_id != self) {
      SendInit(acpi.cpus[i].apic_id);
    }
  }
  // One after the other: numbers are dense and in the firmware's order, whoever is missing.
  CpuId prepared = 1;
  for (std::uint32_t i = 0; i < acpi.cpu_count && CpuCount() < kMaxCpus; ++i) {
    const std::uint32_t apic_id = acpi.cpus[i].apic_id;
    if (apic_id == self) {
      continue;
    }
    const CpuId cpu = CpuCount();
    MapCpuArea(cpu, apic_id);
    if (prepared == cpu) {
      K42_ASSERT(IsOk(Scheduler::PrepareCpu(cpu)), "memory for a CPU's threads");
      ap_stack_tops[cpu] = Scheduler::LoopStackTop(cpu);
      ++prepared;
    }
    if (StartCpu(cpu, apic_id)) {
      started.store(cpu + 1, std::memory_order_relaxed);
    }
  }
}

extern "C" void ApEntry(CpuId cpu) {
  EnableCpuFeatures();
  StartSegments(cpu);
  StartLapic();
  up[cpu].store(true, std::memory_order_release);
  Scheduler::EnterLoop();
}

}  // namespace k42::machine
