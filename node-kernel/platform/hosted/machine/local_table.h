// The virtual CPU's local table of clustered objects: at the same offset from a thread-local base,
// as the kernel reaches it from %gs. See cobj/ref.h for the slot.
#pragma once

#include <cstdint>

#include "machine/cpu_area.h"
#include "machine/lock_checks.h"  // AssertMayCall, for whoever loads a slot to call

namespace k42::machine {

// Base of the CPU area of the virtual CPU that this host thread runs on.
extern constinit thread_local unsigned char* cpu_area_base;

// Word 0 of the slot. Volatile: each call loads again, whatever the compiler thinks it knows.
inline void* LoadSlot(std::uint32_t ref) {
  void* object;
  asm volatile("movq (%1,%q2), %0"
               : "=r"(object)
               : "r"(cpu_area_base), "r"(std::uint64_t{ref})
               : "memory");
  return object;
}

// The table of any CPU, for the few who initialise it. Offsets from here are references.
inline unsigned char* CpuAreaBytes(CpuId cpu) {
  return AreaBase(cpu);
}
inline unsigned char* ThisCpuAreaBytes() {
  return cpu_area_base;
}

}  // namespace k42::machine
