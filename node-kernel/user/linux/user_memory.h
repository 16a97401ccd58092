// The program's memory. Every access goes through here: an address a program gave may be wrong, and
// a wrong one makes the call fail with EFAULT, nothing else. The trap handler returns -1 from the
// assembly access functions (entry.S).
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::personality {

// All return false if some byte is not accessible (some may have been copied).
[[nodiscard]] bool CopyIn(void* to, std::uint64_t from, std::size_t bytes);
[[nodiscard]] bool CopyOut(std::uint64_t to, const void* from, std::size_t bytes);
// Between places of ours, one of which the kernel may take away.
[[nodiscard]] bool CopyOwn(void* to, const void* from, std::size_t bytes);
[[nodiscard]] bool ZeroOut(std::uint64_t to, std::size_t bytes);

template <typename T>
[[nodiscard]] bool ReadUser(T* value, std::uint64_t from) {
  return CopyIn(value, from, sizeof(T));
}
template <typename T>
[[nodiscard]] bool WriteUser(std::uint64_t to, const T& value) {
  return CopyOut(to, &value, sizeof(T));
}

// A string with its end mark into to[0..limit). Returns its length, -EFAULT, or -ENAMETOOLONG if
// the end mark is not within the limit.
std::int64_t CopyInString(char* to, std::uint64_t from, std::size_t limit);

// Aligned words shared with other processors: futexes.
[[nodiscard]] bool LoadUser32(std::uint64_t address, std::uint32_t* value);
// *exchanged tells whether `expected` was found; *expected becomes what was found.
[[nodiscard]] bool CompareExchangeUser32(std::uint64_t address, std::uint32_t* expected,
                                         std::uint32_t desired, bool* exchanged);

// Whether [address, address + size) lies in the program's part of the address space.
bool InProgram(std::uint64_t address, std::uint64_t size);

}  // namespace k42::personality
