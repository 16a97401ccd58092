#include "machine/log.h"

#include "base/assert.h"
#include "machine/dispatcher.h"
#include "user/runtime/runtime.h"

namespace k42 {

namespace machine::detail {

namespace {
constexpr std::size_t kLineMax = 256;
}

void LogLine(std::string_view format, std::span<const FormatArg> args) {
  char line[kLineMax];
  LogText(line, FormatArgs(line, format, args));
}

void PanicLine(std::string_view format, std::span<const FormatArg> args) {
  LogLine(format, args);
  (void)runtime::kProcess.Exit(0, proc::ExitKind::kKilled, 6);
  __builtin_trap();
}

}  // namespace machine::detail

namespace detail {

void AssertFailed(const char* condition, const char* why, const char* file, int line) {
  machine::Panic("{}:{}: {}: {}", file, line, condition, why);
}

}  // namespace detail
}  // namespace k42
