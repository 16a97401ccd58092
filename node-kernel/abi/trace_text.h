// A record as text, for consoles and tools.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

#include "abi/trace_catalogue.h"
#include "base/format.h"

namespace k42::trace {

// The name in a kProcessName record's last two words; anything unprintable becomes a dot.
inline std::size_t NameOf(std::span<const std::uint64_t> words, std::span<char> text) {
  std::size_t size = 0;
  for (std::uint64_t word : words) {
    for (; word != 0 && size < text.size(); word >>= 8) {
      const char c = static_cast<char>(word & 0xff);
      text[size++] = c > ' ' && c <= '~' ? c : '.';
    }
  }
  return size;
}

// `name: arguments`; returns its size, cut to the buffer.
inline std::size_t Describe(const Header& header, std::span<const std::uint64_t> arguments,
                            std::span<char> text) {
  const EventInfo* info = FindEvent(header.number);
  if (info == nullptr || arguments.size() != info->arguments) {
    return std::min(text.size(),
                    Format(text, "event {} with {} arguments", header.number, arguments.size()));
  }
  FormatArg args[kMaxArguments];
  std::size_t count = 0;
  for (const std::uint64_t argument : arguments) args[count++] = ToFormatArg(argument);
  char name[16];
  if (info->number == kProcessName.info.number) {
    args[1] = ToFormatArg(std::string_view(name, NameOf(arguments.subspan(1), name)));
    count = 2;
  }
  std::size_t size = std::min(text.size(), Format(text, "{}: ", info->name));
  size += FormatArgs(text.subspan(size), info->format, std::span(args, count));
  return std::min(text.size(), size);
}

}  // namespace k42::trace
