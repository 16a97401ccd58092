// Before the kernel's heap there is none: whoever allocates then stands in the wrong place of the
// start list.
#pragma once

#include <cstddef>

#include "machine/log.h"

namespace k42::machine {

[[noreturn]] inline void* FallbackAllocate(std::size_t size, std::size_t) {
  Panic("allocation of {} bytes before the heap is set", size);
}
[[noreturn]] inline void FallbackFree(void*) {
  Panic("free before the heap is set");
}

}  // namespace k42::machine
