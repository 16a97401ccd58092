// The CPU's local table of clustered objects: at the same offset from %gs on every CPU, so that a
// reference is an offset and finding its slot needs no CPU number. See cobj/ref.h for the slot.
#pragma once

#include <cstdint>

#include "machine/cpu_area.h"
#include "machine/lock_checks.h"  // AssertMayCall, for whoever loads a slot to call

namespace k42::machine {

// Word 0 of the slot. Volatile: each call loads again, whatever the compiler thinks it knows.
inline void* LoadSlot(std::uint32_t ref) {
  void* object;
  asm volatile("movq %%gs:(%q1), %0" : "=r"(object) : "r"(std::uint64_t{ref}));
  return object;
}

// The table of any CPU, for the few who initialise it. Offsets from here are references.
inline unsigned char* CpuAreaBytes(CpuId cpu) {
  return reinterpret_cast<unsigned char*>(AreaOf(cpu));
}
inline unsigned char* ThisCpuAreaBytes() {
  return reinterpret_cast<unsigned char*>(ThisCpuArea());
}

}  // namespace k42::machine
