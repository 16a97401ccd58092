// User code's vector registers and %fs base: the state that stays in the machine while the kernel
// runs, because the kernel uses none of it.
//
// A vector state is an XSAVE image in standard format of abi::kVectorStateSize bytes, 64-byte
// aligned. LoadVectorState faults on an image that is not well-formed: images that user space could
// write go through SanitizeVectorState first.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace k42::machine {

// XCR0: x87, SSE and, where there is one, AVX.
std::uint64_t VectorComponents();
std::uint32_t VectorSize();

void InitVectorState(unsigned char* state);
// Not inline: no vector instruction stands outside the platform (tests/checks/slot_loads.py).
void SaveVectorState(unsigned char* state);
void LoadVectorState(const unsigned char* state);
// Save and Load.
void SwitchVectorState(unsigned char* save, const unsigned char* load);
// Clears what the machine would refuse; kInvalidArgument where that would change its meaning.
Status SanitizeVectorState(unsigned char* state);

inline std::uint64_t ReadFsBase() {
  std::uint64_t base;
  asm volatile("rdfsbase %0" : "=r"(base));
  return base;
}
// Precondition: canonical.
inline void WriteFsBase(std::uint64_t base) {
  asm volatile("wrfsbase %0" ::"r"(base));
}

}  // namespace k42::machine
