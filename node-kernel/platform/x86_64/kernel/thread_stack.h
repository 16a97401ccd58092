// Kernel stacks: fixed slots in the stack area, each with an unmapped lower half as guard. A slot
// that was mapped once stays mapped and is reused, most recently used first.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace k42::machine {

// Lowest mapped address of a stack of kStackSize bytes.
Result<std::uint64_t> AllocateStack();
void FreeStack(std::uint64_t bottom);

}  // namespace k42::machine
