// Copies between the kernel and user memory; hosted: see user_copy.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace k42::machine {

// kBadAddress when a byte is not accessible; bytes before it may have been copied.
Status CopyIn(void* to, std::uint64_t user, std::size_t size);
Status CopyOut(std::uint64_t user, const void* from, std::size_t size);

// Hosted only: from the first call on, only such ranges count as user memory.
void AddUserRange(const void* begin, std::size_t size);
void ClearUserRanges();

}  // namespace k42::machine
