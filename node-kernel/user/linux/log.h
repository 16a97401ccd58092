// Lines for the kernel's log. Log("text {} {x}", number, number): decimal, or hexadecimal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace k42::personality {

void LogWords(const char* format, std::initializer_list<std::uint64_t> words);
// A zero-terminated text appended.
void LogText(const char* text, const char* more);

template <typename... Words>
void Log(const char* format, Words... words) {
  LogWords(format, {static_cast<std::uint64_t>(words)...});
}

}  // namespace k42::personality
