// Copies between the kernel and user memory; hosted: one address space, so an address is a pointer
// (user_copy.cc). Interface: platform/x86_64/kernel/machine/user_copy.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace k42::machine {

Status CopyIn(void* destination, std::uint64_t user_source, std::size_t size);
Status CopyOut(std::uint64_t user_destination, const void* source, std::size_t size);
Status ZeroUser(std::uint64_t user_destination, std::size_t size);
Result<std::size_t> CopyInText(char* destination, std::uint64_t user_source, std::size_t capacity);
Result<std::uint32_t> LoadUser32(std::uint64_t user_address);
Result<std::uint32_t> CompareExchangeUser32(std::uint64_t user_address, std::uint32_t expected,
                                            std::uint32_t desired);

// Hosted only: from the first call on, only such ranges count as user memory.
void AddUserRange(const void* begin, std::size_t size);
void ClearUserRanges();

}  // namespace k42::machine
