// Who owns which part of the kernel's half of the address space.
//
//   0xffff8000_00000000  direct map of RAM                        platform
//   0xffffc000_00000000  CPU areas with object tables, 64 x 64 MiB platform
//   0xffffc001_00000000  kernel stacks, 32 KiB slots              platform
//   0xffffc002_00000000  device registers                         platform
//   0xffffc010_00000000  mem's kernel mappings, 64 GiB            mem/kernel_space
//   0xffffffff_80000000  kernel image, at physical + this; modules from 0xffffffff_c0000000
#pragma once

#include <cstdint>

#include "machine/cpu_area.h"
#include "machine/phys.h"

namespace k42::machine {

inline constexpr std::uint64_t kStackAreaBase = 0xffff'c001'0000'0000;
inline constexpr std::uint64_t kStackAreaEnd = 0xffff'c002'0000'0000;
inline constexpr std::uint64_t kStackSlotSize = 32 << 10;  // lower half stays unmapped: the guard
inline constexpr std::uint64_t kStackSize = 16 << 10;
inline constexpr std::uint64_t kDeviceAreaBase = 0xffff'c002'0000'0000;
inline constexpr std::uint64_t kDeviceAreaEnd = 0xffff'c003'0000'0000;
inline constexpr std::uint64_t kKernelSpaceBase = 0xffff'c010'0000'0000;
inline constexpr std::uint64_t kKernelSpaceEnd = 0xffff'c020'0000'0000;
inline constexpr std::uint64_t kModuleAreaBase = 0xffff'ffff'c000'0000;
inline constexpr std::uint64_t kModuleAreaEnd = 0xffff'ffff'f000'0000;

static_assert(kCpuAreaBase + kMaxCpus * kCpuAreaStride <= kStackAreaBase);

}  // namespace k42::machine
