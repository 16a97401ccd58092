// How the debug console's commands speak: lines without a stamp, past every lock. Only while the
// debugger runs.
#pragma once

#include "base/format.h"
#include "console.h"

namespace k42::boot {

template <typename... Args>
void DebugPrint(FormatFor<Args...> format, const Args&... args) {
  char line[320];  // the stack is an NMI's: small
  std::size_t size = Format(line, format, args...);
  machine::WriteConsole({line, size < sizeof line ? size : sizeof line});
}

}  // namespace k42::boot
