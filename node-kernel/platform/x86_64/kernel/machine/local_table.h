// The CPU's local table of clustered objects: at the same offset from %gs on every CPU, so that a
// reference is an offset and finding its slot needs no CPU number. See cobj/ref.h for the slot.
#pragma once

#include <cstdint>

namespace k42::machine {

// Word 0 of the slot. Volatile: each call loads again, whatever the compiler thinks it knows.
inline void* LoadSlot(std::uint32_t ref) {
  void* object;
  asm volatile("movq %%gs:(%q1), %0" : "=r"(object) : "r"(std::uint64_t{ref}));
  return object;
}

}  // namespace k42::machine
