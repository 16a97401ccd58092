// The per-CPU area of a virtual CPU: memory for the local table of clustered objects, at the offset
// the kernel uses. Reserved in full, so that mapping it costs nothing.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "platform/contract/types.h"

namespace k42::machine {

inline constexpr std::uint64_t kCpuAreaStride = 64ull << 20;
inline constexpr std::uint64_t kObjectTableOffset = 0x10000;
inline constexpr std::uint32_t kObjectSlotSize = 16;
inline constexpr std::uint32_t kObjectTableBootSlots = 4096;
inline constexpr std::uint32_t kObjectTableMaxSlots =
    static_cast<std::uint32_t>((kCpuAreaStride - kObjectTableOffset) / kObjectSlotSize);

// Hosted only: where the area of `cpu` is. Made on first use.
unsigned char* AreaBase(CpuId cpu);

// Slots [0, slots) of `cpu` are zeroed memory afterwards, or still what they were.
Status MapObjectTable(CpuId cpu, std::uint32_t slots);

}  // namespace k42::machine
