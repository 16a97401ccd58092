#include "machine/log.h"

#include <atomic>

#include "console.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/spin_lock.h"

namespace k42::machine {
namespace {

constexpr std::size_t kMaxLine = 512;  // longer lines are cut

constexpr HoldReason kLine{20000, "a line is written to the serial port"};
constinit IrqSpinLock<LockRank::kLog> log_lock;  // one line at a time
constinit ConsoleWrite console_write = nullptr;
constinit std::atomic<bool> lock_broken{false};

}  // namespace

void SetConsole(ConsoleWrite write) {
  console_write = write;
}

void BreakConsoleLock(bool broken) {
  lock_broken = broken;
}

void WriteConsole(std::string_view text) K42_NO_THREAD_SAFETY_ANALYSIS {  // the lock may be broken
  if (console_write == nullptr) {
    return;
  }
  if (lock_broken) {
    console_write(text);
    return;
  }
  log_lock.Lock();
  LockNote::Explain(kLine);
  console_write(text);
  log_lock.Unlock();
}

namespace detail {

void LogLine(std::string_view format, std::span<const FormatArg> args) {
  char line[kMaxLine];
  const std::span<char> text(line, sizeof(line) - 1);
  const std::uint64_t now_us = MonotonicNs() / 1000;
  std::size_t size =
      Format(text, "[{4}.{6} {2}] ", now_us / 1'000'000, now_us % 1'000'000, CurrentCpu());
  for (std::size_t i = 0; i < size; ++i) {  // fractions have leading zeros
    if (line[i] == ' ' && i > 5 && i < 12) {
      line[i] = '0';
    }
  }
  size += FormatArgs(text.subspan(size), format, args);
  size = size < text.size() ? size : text.size();
  line[size++] = '\n';
  WriteConsole({line, size});
}

}  // namespace detail
}  // namespace k42::machine
