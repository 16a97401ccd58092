#include "machine/log.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/assert.h"
#include "machine/thread.h"

namespace k42 {

namespace machine::detail {

namespace {
void WriteLine(const char* head, std::string_view format, std::span<const FormatArg> args) {
  char line[600];
  std::size_t size = Format(std::span(line, 100), "{}", head);
  size +=
      std::min(FormatArgs(std::span(line).subspan(size), format, args), sizeof(line) - size - 1);
  line[size++] = '\n';
  // One write, so that lines of several threads do not mix.
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line, size);
}
}  // namespace

void LogLine(std::string_view format, std::span<const FormatArg> args) {
  WriteLine("", format, args);
}

void PanicLine(std::string_view format, std::span<const FormatArg> args) {
  WriteLine("PANIC: ", format, args);
  std::abort();
}

}  // namespace machine::detail

void detail::AssertFailed(const char* condition, const char* why, const char* file, int line) {
  machine::Panic("{}:{}: {} does not hold: {}", file, line, condition, why);
}

}  // namespace k42
