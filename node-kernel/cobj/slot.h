// One slot of a CPU's local table: two words.
//
//   word 0  what a call uses as `this`: a rep, a forwarder, or (empty) the address of word 1
//   word 1  the miss vtable: 64 assembly stubs, one per method number
//
// States: empty -> filled -> empty ... An empty slot is its own fake object: `this` is the address
// of word 1, whose first word is the vtable pointer, so a call lands in a miss stub, which finds
// the reference from `this`. Word 1 never changes. Only threads of the owning CPU write a slot once
// it has been initialised; they are cooperative, so plain stores do.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cobj/ref.h"
#include "machine/local_table.h"

// platform/x86_64/shared/miss_stubs.S: the stubs' addresses, by method number.
extern "C" const void* const k42_miss_vtable[];

namespace k42::cobj {

inline constexpr std::uint32_t kMaxMethods = 64;

struct Slot {
  void* object;
  const void* const* miss_vtable;

  void MakeEmpty() {
    miss_vtable = k42_miss_vtable;
    Reset();
  }
  void Reset() { Store(&miss_vtable); }
  void Fill(void* rep) { Store(rep); }
  bool empty() const { return object == static_cast<const void*>(&miss_vtable); }

 private:
  // The reader is a volatile assembly load; the store must be one instruction, and not before what
  // made the object.
  void Store(void* value) {
    std::atomic_ref<void*>(object).store(value, std::memory_order_release);
  }
};
static_assert(sizeof(Slot) == machine::kObjectSlotSize);
static_assert(offsetof(Slot, miss_vtable) == 8);

constexpr RefBits BitsOfIndex(std::uint32_t index) {
  return static_cast<RefBits>(machine::kObjectTableOffset + index * sizeof(Slot));
}
constexpr std::uint32_t IndexOfBits(RefBits bits) {
  return static_cast<std::uint32_t>((bits - machine::kObjectTableOffset) / sizeof(Slot));
}

// `cpu`'s slot: only to initialise it.
inline Slot& SlotOf(machine::CpuId cpu, RefBits bits) {
  return *reinterpret_cast<Slot*>(machine::CpuAreaBytes(cpu) + bits);
}
// For a look from outside: are calls of `cpu` answered without a miss?
inline bool IsFilled(machine::CpuId cpu, RefBits bits) {
  Slot& slot = SlotOf(cpu, bits);
  return std::atomic_ref<void*>(slot.object).load(std::memory_order_relaxed) != &slot.miss_vtable;
}
inline Slot& ThisCpuSlot(RefBits bits) {
  return *reinterpret_cast<Slot*>(machine::ThisCpuAreaBytes() + bits);
}

}  // namespace k42::cobj
