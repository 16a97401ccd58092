// Words that both implementations of the machine share.
#pragma once

#include <cstdint>

namespace k42::machine {

using CpuId = std::uint32_t;  // 0 .. CpuCount() - 1, dense
inline constexpr CpuId kMaxCpus = 64;

using PhysAddr = std::uint64_t;
inline constexpr std::uint64_t kPageSize = 4096;
inline constexpr unsigned kPageShift = 12;

}  // namespace k42::machine
