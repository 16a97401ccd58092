// Reads the head of an ELF64 x86-64 program: what must be mapped where. Pure, over bytes that come
// from anybody: everything is checked before it is used, and sizes are bounded.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace k42::personality {

struct ElfSegment {
  std::uint64_t address, memory_size;  // not page aligned
  std::uint64_t offset, file_size;
  std::uint32_t protection;  // proc::kMapRead | ...
};

inline constexpr std::size_t kElfSegmentsMax = 32;
// How much of the file ParseElf wants to see.
inline constexpr std::size_t kElfHeadSize = 4096;

struct ElfProgram {
  bool fixed;  // ET_EXEC: addresses are absolute
  std::uint64_t entry;
  std::uint64_t low, high;  // page-aligned span of all segments
  std::uint64_t headers;    // address of the program headers in memory; 0: not in a segment
  std::uint16_t header_count;
  std::uint16_t header_size;
  std::uint64_t interpreter_offset, interpreter_size;  // in the file; size 0: none
  std::uint64_t relro;                                 // unused by us, the program's own affair
  bool executable_stack;
  std::size_t segment_count;
  ElfSegment segments[kElfSegmentsMax];  // last: those that are not used need not be copied

  std::size_t used_size() const {
    return offsetof(ElfProgram, segments) + segment_count * sizeof(ElfSegment);
  }
};

// kExecFormat for anything that is not a well-formed program for this machine.
Status ParseElf(const void* head, std::size_t size, ElfProgram* program);

// "#! interpreter [argument]" in the first line. Strings point into `head`, not terminated.
struct ScriptLine {
  const char* interpreter;
  std::size_t interpreter_size;
  const char* argument;  // null: none
  std::size_t argument_size;
};
inline constexpr std::size_t kScriptLineMax = 256;
// kNotFound: not a script. kExecFormat: a script without a usable first line.
Status ParseScript(const char* head, std::size_t size, ScriptLine* line);

}  // namespace k42::personality
