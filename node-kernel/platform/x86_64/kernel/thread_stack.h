// Kernel stacks: fixed slots in the stack area, each with an unmapped lower half as guard. A slot
// that was mapped once stays mapped and is reused, most recently used first.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace k42::machine {

// Lowest mapped address of a stack of kStackSize bytes.
Result<std::uint64_t> AllocateStack();
void FreeStack(std::uint64_t bottom);

// The end of what has been handed out since the start: stacks lie in kStackSlotSize steps below.
// Takes no lock.
std::uint64_t StackAreaUsed();

}  // namespace k42::machine
