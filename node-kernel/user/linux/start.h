// How the personality's image starts (abi/process_start.h), and what it can say about itself.
#pragma once

#include <cstdint>

#include "abi/process_start.h"

namespace k42::personality {

const abi::ProcessStart& StartBlock();
// Stack for traps that hit the personality itself.
std::uint64_t DispatcherStackTop();
bool InPersonality(const void* address);

}  // namespace k42::personality
