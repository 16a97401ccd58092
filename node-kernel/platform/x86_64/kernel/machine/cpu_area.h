// The per-CPU area: what %gs:0 is on each CPU while kernel code runs.
//
// Address layout (architecture constants; the same page-table entries in every address space):
//   kCpuAreaBase + cpu * kCpuAreaStride
//     + 0                      struct CpuArea
//     + kObjectTableOffset     clustered objects' local translation table: 16-byte slots. A Ref is
//                              the offset of its slot from %gs. kObjectTableBootSlots slots are
//                              mapped at boot; the rest of the stride is reserved and can be mapped
//                              later (MapCpuTablePages).
// Only the owning CPU writes its area, except fields marked `remote`. Assembly knows the offsets
// asserted at the end.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "platform/contract/types.h"

namespace k42::machine {

class Thread;
struct CpuState;  // run queue, messages, timers: cpu_state.h

inline constexpr std::uint64_t kCpuAreaBase = 0xffff'c000'0000'0000;
inline constexpr std::uint64_t kCpuAreaStride = 64ull << 20;
inline constexpr std::uint64_t kObjectTableOffset = 0x10000;
inline constexpr std::uint32_t kObjectSlotSize = 16;
inline constexpr std::uint32_t kObjectTableBootSlots = 4096;
inline constexpr std::uint32_t kObjectTableMaxSlots =
    static_cast<std::uint32_t>((kCpuAreaStride - kObjectTableOffset) / kObjectSlotSize);

struct CpuArea {
  CpuArea* self;                    // 0
  std::uint64_t kernel_stack_top;   // 8: where a trap from user space starts (= TSS.rsp0)
  std::uint64_t user_rsp;           // 16: scratch of the syscall entry
  Thread* current;                  // 24
  CpuId id;                         // 32
  std::uint32_t spin_locks_held;    // 36
  std::atomic<std::uint32_t> work;  // 40: Work bits, set by interrupt handlers
  std::uint32_t apic_id;            // 44
  CpuState* state;                  // 48
  std::uint64_t scratch[2];         // 56: entry assembly's own
  std::uint64_t interrupts;         // taken on this CPU, for statistics
  std::uint64_t idle_ns;            // time halted
  void* trace_buffer;               // machine/trace_buffer.h
};
static_assert(offsetof(CpuArea, kernel_stack_top) == 8);
static_assert(offsetof(CpuArea, user_rsp) == 16);
static_assert(offsetof(CpuArea, current) == 24);
static_assert(offsetof(CpuArea, id) == 32);
static_assert(offsetof(CpuArea, spin_locks_held) == 36);
static_assert(offsetof(CpuArea, work) == 40);
static_assert(offsetof(CpuArea, scratch) == 56);
static_assert(sizeof(CpuArea) <= kObjectTableOffset);

inline CpuArea* AreaOf(CpuId cpu) {
  return reinterpret_cast<CpuArea*>(kCpuAreaBase + cpu * kCpuAreaStride);
}

// One load; right to keep across anything, because threads never migrate.
inline CpuArea* ThisCpuArea() {
  CpuArea* area;
  asm("movq %%gs:0, %0" : "=r"(area));
  return area;
}

// Backs the object table's slots [0, slots) of `cpu` with zeroed pages. Any context that may
// allocate. Pages already there stay.
Status MapObjectTable(CpuId cpu, std::uint32_t slots);

}  // namespace k42::machine
