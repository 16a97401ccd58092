// Hosted, a CPU's words may be touched by several host threads: real atomics.
#pragma once

#include <atomic>

namespace k42::machine {

template <typename T>
using LocalAtomic = std::atomic<T>;

}  // namespace k42::machine
