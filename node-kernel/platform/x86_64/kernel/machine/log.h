// The kernel's log and the end of everything.
//
// Log("disk {} has {} MiB", index, size): one line, any context, any CPU; stamped with the time
// since boot and the CPU. Format: base/format.h. Panic("..."): the same, then backtraces and the
// machine stops.
#pragma once

#include "base/format.h"

namespace k42::machine {

namespace detail {
void LogLine(std::string_view format, std::span<const FormatArg> args);
[[noreturn]] void PanicLine(std::string_view format, std::span<const FormatArg> args);
}  // namespace detail

template <typename... Args>
void Log(FormatFor<Args...> format, const Args&... args) {
  if constexpr (sizeof...(Args) == 0) {
    detail::LogLine(format.text(), {});
  } else {
    const FormatArg list[] = {ToFormatArg(args)...};
    detail::LogLine(format.text(), list);
  }
}

template <typename... Args>
[[noreturn]] void Panic(FormatFor<Args...> format, const Args&... args) {
  if constexpr (sizeof...(Args) == 0) {
    detail::PanicLine(format.text(), {});
  } else {
    const FormatArg list[] = {ToFormatArg(args)...};
    detail::PanicLine(format.text(), list);
  }
}

}  // namespace k42::machine
