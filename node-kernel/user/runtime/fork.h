// Fork for native programs: the child goes on behind the call, on a copy of everything.
#pragma once

#include <cstdint>

#include "abi/dispatcher_page.h"
#include "base/result.h"

namespace k42::runtime {

// The child's number; 0 in the child.
Result<std::uint32_t> Fork(std::uint32_t exit_signal = 0);

// A new process of this program with these zero-terminated words; it gets the listed handles.
Result<std::uint32_t> SpawnSelf(const char* words, std::size_t size);

}  // namespace k42::runtime
