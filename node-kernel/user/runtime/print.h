// Text for whoever started a native program: to its standard output, or, without one, to the
// kernel's log.
#pragma once

#include <algorithm>
#include <string_view>

#include "base/format.h"

namespace k42::runtime {

void PrintText(std::string_view text);

// One line; longer ones are cut.
template <typename... Args>
void Print(FormatFor<Args...> format, const Args&... args) {
  char line[256];
  PrintText({line, std::min(sizeof line, Format(line, format, args...))});
}

}  // namespace k42::runtime
