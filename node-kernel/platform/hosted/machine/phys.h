// Simulated physical memory: one reserved range of host memory, physical address 0 at its start.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "platform/contract/types.h"

namespace k42::machine {

inline constexpr std::uint64_t kHostedRamSize = 512ull << 20;

// Hosted only: where physical address 0 is. Reserved on first use; a page costs when touched.
unsigned char* PhysicalMemory();

template <typename T = void>
T* PhysToVirt(PhysAddr address) {
  return reinterpret_cast<T*>(PhysicalMemory() + address);
}

inline PhysAddr VirtToPhys(const void* pointer) {
  return static_cast<PhysAddr>(static_cast<const unsigned char*>(pointer) - PhysicalMemory());
}

}  // namespace k42::machine
