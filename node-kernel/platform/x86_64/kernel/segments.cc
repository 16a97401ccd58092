#include "segments.h"

#include "cpu_state.h"
#include "instructions.h"
#include "machine/cpu_area.h"
#include "machine/trap_frame.h"

extern "C" const char trap_stubs[];

namespace k42::machine {
namespace {

struct Gate {
  std::uint64_t low, high;
};
constinit Gate interrupt_table[256] = {};  // written by the boot CPU before others start

struct [[gnu::packed]] TablePointer {
  std::uint16_t limit;
  const void* base;
};

constexpr std::uint64_t kStubSize = 16;
constexpr std::uint64_t kInterruptGate = 0x8eull << 40;  // present, interrupts off on entry
constexpr std::uint64_t kFromUser = 3ull << 45;          // reachable by an instruction of user code

std::uint64_t StackFor(std::uint64_t vector) {
  switch (vector) {
    case kVectorNmi:
      return kStackNmi;
    case kVectorDoubleFault:
      return kStackDoubleFault;
    case kVectorMachineCheck:
      return kStackMachineCheck;
    default:
      return 0;
  }
}

}  // namespace

const char* CriticalStackGuardedAt(std::uint64_t address) {
  static constexpr const char* kNames[kCriticalStacks] = {"NMI", "double fault", "machine check"};
  constexpr std::uint64_t kGuard = kCriticalStackStride - kCriticalStackSize;
  static_assert(sizeof(CpuArea) <= kCriticalStacksOffset - kGuard);
  static_assert(kCriticalStacksOffset + kCriticalStacks * kCriticalStackStride <=
                kObjectTableOffset + kGuard);
  if (address < kCpuAreaBase || address >= kCpuAreaBase + kMaxCpus * kCpuAreaStride) {
    return nullptr;
  }
  const std::uint64_t offset =
      (address - kCpuAreaBase) % kCpuAreaStride - (kCriticalStacksOffset - kGuard);
  const std::uint64_t index = offset / kCriticalStackStride;  // huge: it is below them
  return index < kCriticalStacks && offset % kCriticalStackStride < kGuard ? kNames[index]
                                                                           : nullptr;
}

void BuildInterruptTable() {
  for (std::uint64_t vector = 0; vector < 256; ++vector) {
    const std::uint64_t stub = reinterpret_cast<std::uint64_t>(trap_stubs) + vector * kStubSize;
    std::uint64_t low = (stub & 0xffff) | std::uint64_t{kKernelCode} << 16 |
                        StackFor(vector) << 32 | kInterruptGate | (stub >> 16 & 0xffff) << 48;
    if (vector == kVectorBreakpoint) {
      low |= kFromUser;
    }
    interrupt_table[vector] = {low, stub >> 32};
  }
}

void StartSegments(CpuId cpu) {
  CpuState& state = StateOf(cpu);
  CpuArea* area = AreaOf(cpu);
  TaskState& task = state.task_state;
  task.io_map = sizeof(TaskState);  // no ports for user code
  for (unsigned i = 0; i < kCriticalStacks; ++i) {
    const std::uint64_t base = CriticalStackBase(reinterpret_cast<std::uint64_t>(area), i);
    *reinterpret_cast<CpuArea**>(base) = area;
    task.ist[i] = base + kCriticalStackSize;
  }
  const auto task_base = reinterpret_cast<std::uint64_t>(&task);
  const std::uint64_t descriptors[] = {
      0,
      0x00af'9a00'0000'ffff,  // kKernelCode
      0x00cf'9200'0000'ffff,  // kKernelData
      0x00cf'f200'0000'ffff,  // kUserData
      0x00af'fa00'0000'ffff,  // kUserCode
      (sizeof(TaskState) - 1) | (task_base & 0xff'ffff) << 16 | 0x89ull << 40 |
          (task_base >> 24 & 0xff) << 56,
      task_base >> 32,
  };
  static_assert(sizeof(descriptors) == sizeof(state.descriptors));
  for (unsigned i = 0; i < std::size(descriptors); ++i) {
    state.descriptors[i] = descriptors[i];
  }
  const TablePointer gdt{sizeof(descriptors) - 1, state.descriptors};
  const TablePointer idt{sizeof(interrupt_table) - 1, interrupt_table};
  asm volatile(
      "lgdt %0\n"
      "pushq %2\n"
      "leaq 1f(%%rip), %%rax\n"
      "pushq %%rax\n"
      "lretq\n"
      "1: movl %3, %%eax\n"
      "movl %%eax, %%ds\n"
      "movl %%eax, %%es\n"
      "movl %%eax, %%ss\n"
      "xorl %%eax, %%eax\n"
      "movl %%eax, %%fs\n"
      "movl %%eax, %%gs\n"
      "lidt %1\n"
      "ltr %w4\n" ::"m"(gdt),
      "m"(idt), "i"(kKernelCode), "i"(kKernelData), "r"(static_cast<std::uint32_t>(kTaskState))
      : "rax", "memory");
  WriteMsr(kMsrGsBase, reinterpret_cast<std::uint64_t>(area));
  WriteMsr(kMsrKernelGsBase, 0);
}

void SetTrapStack(std::uint64_t top) {
  CpuArea* area = ThisCpuArea();
  area->kernel_stack_top = top;
  area->state->task_state.rsp[0] = top;
}

}  // namespace k42::machine
