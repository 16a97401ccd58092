// Copies between the kernel and user memory of the current address space.
//
// A user address is a number until it passes here. A fault during the copy goes to the fault path
// as any user fault would; if that cannot resolve it, the copy ends with kBadAddress (bytes before
// the bad one may have been copied). May block for I/O: hold no spin lock, and no lock the fault
// path may want. Addresses outside the lower half are refused before they are touched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace k42::machine {

Status CopyIn(void* destination, std::uint64_t user_source, std::size_t size);
Status CopyOut(std::uint64_t user_destination, const void* source, std::size_t size);
Status ZeroUser(std::uint64_t user_destination, std::size_t size);

// Copies a zero-terminated text of at most capacity bytes including the zero; returns its length
// without the zero, or kNameTooLong.
Result<std::size_t> CopyInText(char* destination, std::uint64_t user_source, std::size_t capacity);

// Atomic 32-bit operations on user memory, for futexes. The address must be 4-byte aligned.
Result<std::uint32_t> LoadUser32(std::uint64_t user_address);
// Stores `desired` if the word is `expected`; returns the word found.
Result<std::uint32_t> CompareExchangeUser32(std::uint64_t user_address, std::uint32_t expected,
                                            std::uint32_t desired);

}  // namespace k42::machine
