// GDT, TSS and IDT: what the hardware wants to know about a CPU before it takes a trap.
#pragma once

#include <cstdint>

#include "platform/contract/types.h"

namespace k42::machine {

// 64-bit task state segment: stack pointers only.
struct [[gnu::packed]] TaskState {
  std::uint32_t reserved0;
  std::uint64_t rsp[3];
  std::uint64_t reserved1;
  std::uint64_t ist[7];
  std::uint64_t reserved2;
  std::uint16_t reserved3;
  std::uint16_t io_map;
};
static_assert(sizeof(TaskState) == 104);

// Stacks for traps that cannot trust the interrupted stack (IST 1..3), inside the CPU's area. What
// lies between them, and below the first, stays unmapped: a guard, as below threads' stacks. The
// lowest word of each is its CPU's CpuArea* (trap_entry.S finds %gs by it).
inline constexpr std::uint64_t kCriticalStackSize = 8192;
inline constexpr std::uint64_t kCriticalStackStride = 2 * kCriticalStackSize;
inline constexpr std::uint64_t kCriticalStacksOffset = 0x4000;
enum CriticalStack : std::uint8_t { kStackNmi = 1, kStackDoubleFault = 2, kStackMachineCheck = 3 };
inline constexpr unsigned kCriticalStacks = 3;

// The lowest address of one of them.
inline std::uint64_t CriticalStackBase(std::uint64_t area, unsigned index) {
  return area + kCriticalStacksOffset + index * kCriticalStackStride;
}
// Which stack the guard around `address` is for; null: it is in no such guard.
const char* CriticalStackGuardedAt(std::uint64_t address);

// Once: fills the IDT that all CPUs share.
void BuildInterruptTable();
// On each CPU, its area mapped: loads GDT, TSS, IDT and %gs.
void StartSegments(CpuId cpu);
// Where a trap from user space starts on this CPU.
void SetTrapStack(std::uint64_t top);

}  // namespace k42::machine
