// The log of user code: lines of at most 256 bytes to the kernel's log, which stamps who wrote
// them.
#pragma once

#include <span>
#include <string_view>

#include "base/format.h"

namespace k42::machine {

namespace detail {
// user/runtime/log.cc, unless the image has its own.
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
