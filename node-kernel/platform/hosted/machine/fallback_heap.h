// Memory for code whose test has set no heap: malloc's, so that sanitizers watch every block.
#pragma once

#include <cstddef>
#include <cstdlib>

#include "base/align.h"

namespace k42::machine {

inline void* FallbackAllocate(std::size_t size, std::size_t align) {
  return std::aligned_alloc(align < 16 ? 16 : align, AlignUp(size, align < 16 ? 16 : align));
}
inline void FallbackFree(void* block) {
  std::free(block);
}

}  // namespace k42::machine
