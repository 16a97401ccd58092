// Maps a program and its interpreter into the address space, and builds its first stack.
#pragma once

#include <cstdint>

#include "user/linux/elf.h"
#include "user/linux/kernel.h"

namespace k42::personality {

struct LoadedElf {
  std::uint64_t base;  // added to the addresses in the file
  std::uint64_t entry;
  std::uint64_t headers;
  std::uint16_t header_count;
  std::uint64_t end;  // first page behind it
};

// Reads the first bytes of an open file. Bytes read.
Result<std::uint64_t> ReadHead(kernel::Handle file, void* head, std::size_t size);

// `hint`: where a movable program should go, 0: anywhere. The address space holds nothing there.
Status LoadElf(kernel::Handle file, const ElfProgram& program, std::uint64_t hint,
               LoadedElf* loaded);

// Argument and environment strings, as exec passes them on: zero-terminated, one after the other.
struct Words {
  const char* bytes;
  std::uint64_t size;
  std::uint64_t count;
};

struct StackContents {
  Words arguments;
  Words environment;
  const char* program_path;
  LoadedElf program;
  LoadedElf interpreter;  // base 0: none
  std::uint32_t user, effective_user, group, effective_group;
};

inline constexpr std::uint64_t kProgramStackDefault = 8u << 20;
// Without a limit, or with a larger one. Its pages are made when they are touched.
inline constexpr std::uint64_t kProgramStackMost = 1u << 30;

// Maps a stack of `size` bytes at the top of the program's addresses. Before anything whose address
// the kernel chooses: it chooses from the top down.
Status MapStack(std::uint64_t size, bool executable);
// Fills the stack in. The stack pointer for the entry.
Result<std::uint64_t> BuildStack(const StackContents& contents);

}  // namespace k42::personality
