// The start list: every step from the first C++ instruction to the running node, in order.
#pragma once

#include <cstdint>

namespace k42::boot {

[[noreturn]] void StartKernel(std::uint32_t start_info);

}  // namespace k42::boot
