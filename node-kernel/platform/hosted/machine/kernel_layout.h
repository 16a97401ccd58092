// Ranges of the kernel's half that hosted code may compute with; nothing is mapped there.
#pragma once

#include <cstdint>

#include "machine/cpu_area.h"
#include "machine/phys.h"

namespace k42::machine {

inline constexpr std::uint64_t kKernelSpaceBase = 0xffff'c010'0000'0000;
inline constexpr std::uint64_t kKernelSpaceEnd = 0xffff'c020'0000'0000;

}  // namespace k42::machine
