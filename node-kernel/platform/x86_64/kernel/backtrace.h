// Call chains, of whoever and wherever: nothing here takes a lock or believes a pointer.
//
// Code keeps frame pointers, so a chain is a list of {saved rbp, return address}. Every word is
// read only where the kernel's own tables or the memory map say that there is memory.
#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "symbols.h"

namespace k42::machine {

// Eight aligned bytes may be read at `address`: image, RAM, or mapped in the kernel's half.
bool CanRead(std::uint64_t address);

struct StackFrame {
  std::uint64_t address;  // where the code was, or what a call returns to
  SymbolAt at;            // of the call, not of what follows it
  bool is_call;           // false: the first one, of a CPU that was interrupted there
};

// Calls visit for each frame, innermost first: `rip` (0: none) and then what the chain at `rbp`
// holds, at most `most` in all. Ends where it leaves the kernel's text.
void WalkStack(std::uint64_t rip, std::uint64_t rbp, unsigned most,
               FunctionRef<void(const StackFrame&)> visit);

// To the log: "  at   <address> <symbol>+<offset>" and "  from ...".
void PrintBacktrace(std::uint64_t rip, std::uint64_t rbp, unsigned most = 40);

}  // namespace k42::machine
