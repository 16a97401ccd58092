// Physical memory as the kernel sees it: all RAM is mapped, readable and writable, never
// executable, at kDirectMapBase. Device memory is not in it: MapDevice.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "platform/contract/types.h"

namespace k42::machine {

inline constexpr std::uint64_t kDirectMapBase = 0xffff'8000'0000'0000;
inline constexpr std::uint64_t kKernelImageBase = 0xffff'ffff'8000'0000;  // of physical address 0

template <typename T = void>
T* PhysToVirt(PhysAddr address) {
  return reinterpret_cast<T*>(kDirectMapBase + address);
}

// Of an address in the direct map or in the kernel image; nothing else has one.
inline PhysAddr VirtToPhys(const void* pointer) {
  const auto address = reinterpret_cast<std::uint64_t>(pointer);
  return address >= kKernelImageBase ? address - kKernelImageBase : address - kDirectMapBase;
}

// Maps [address, address + size) uncached, for good. Drivers keep what they get.
Result<volatile void*> MapDevice(PhysAddr address, std::size_t size);

}  // namespace k42::machine
