#include "boot/debug_console.h"

#include "boot/debug_commands.h"
#include "boot/debug_print.h"
#include "drivers/serial.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "machine/power.h"
#include "panic.h"
#include "trace/trace.h"

namespace k42::boot {
namespace {

constexpr char kHelp[] =
    "  cpus            every CPU: what it does, its thread, locks, interrupts\n"
    "  cpu N           registers and call chain of one\n"
    "  waits           who waits for which CPU's answer\n"
    "  threads [CPU]   every thread, with where it goes on\n"
    "  thread ID       its call chain; `thread all`: of every thread\n"
    "  objects [N]     the object table: type, reps by CPU; `objects N`: from the Nth on\n"
    "  gens            generations of each CPU, and the threads that hold them; the grace token\n"
    "  mem             frames and heap\n"
    "  locks [N]       the N (20) places where spin locks cost most: waits of over 10 us, holds\n"
    "  trace [N]       the last N events of each CPU (20)\n"
    "  go              everybody goes on\n"
    "  panic, off      ends the node, with or without a word\n";

// One line, edited as little as possible. Echoes.
std::string_view ReadLine(char* line, std::size_t size) {
  std::size_t length = 0;
  for (;;) {
    const int byte = drivers::PollSerial();
    if (byte < 0) {
      machine::Pause();
      continue;
    }
    const char c = static_cast<char>(byte);
    if (c == '\r' || c == '\n') {
      DebugPrint("\n");
      return {line, length};
    }
    constexpr char kBackspace = 8, kDelete = 127;
    if ((c == kBackspace || c == kDelete) && length != 0) {
      --length;
      DebugPrint("\b \b");
    } else if (c >= ' ' && c < kDelete && length < size) {
      line[length++] = c;
      DebugPrint("{}", c);
    }
  }
}

std::string_view TakeWord(std::string_view& line) {
  while (!line.empty() && line.front() == ' ') {
    line.remove_prefix(1);
  }
  const std::size_t end = line.find(' ') < line.size() ? line.find(' ') : line.size();
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

// False: go on.
bool Obey(std::string_view command, std::string_view word, const machine::TrapFrame& here) {
  constexpr std::uint64_t kEvents = 20;
  if (command == "go") {
    return false;
  }
  if (command == "cpus") {
    ShowCpus(here);
  } else if (command == "cpu") {
    ShowCpu(word, here);
  } else if (command == "waits") {
    ShowWaits();
  } else if (command == "threads") {
    ShowThreads(word);
  } else if (command == "thread") {
    ShowThread(word, here);
  } else if (command == "objects") {
    ShowObjects(word);
  } else if (command == "gens") {
    ShowGenerations();
  } else if (command == "mem") {
    ShowMemory();
  } else if (command == "locks") {
    ShowLocks(word);
  } else if (command == "trace") {
    trace::PrintLast(static_cast<std::uint32_t>(DebugNumber(word).value_or(kEvents)));
  } else if (command == "off") {
    machine::PowerOff(machine::ExitCode::kFailure);
  } else if (command == "panic") {
    machine::Panic("by order of the debug console");
  } else if (command == "help") {
    machine::WriteConsole(kHelp);
  } else if (!command.empty()) {
    DebugPrint("no command \"{}\"; `help` lists them\n", command);
  }
  return true;
}

}  // namespace

std::optional<std::uint64_t> DebugNumber(std::string_view word) {
  std::uint64_t base = 10;
  if (word.starts_with("0x")) {
    base = 16;
    word.remove_prefix(2);
  }
  std::uint64_t number = 0;
  for (const char c : word) {
    const std::uint64_t digit = c >= '0' && c <= '9'   ? static_cast<std::uint64_t>(c - '0')
                                : c >= 'a' && c <= 'f' ? static_cast<std::uint64_t>(c - 'a') + 10
                                                       : 16;
    if (digit >= base) {
      return std::nullopt;
    }
    number = number * base + digit;
  }
  return word.empty() ? std::nullopt : std::optional(number);
}

void RunDebugConsole(const machine::TrapFrame& here) {
  DebugPrint("\ndebug console on CPU {}: the node stands still; `help`, `go`\n",
             machine::CurrentCpu());
  for (;;) {
    DebugPrint("k42> ");
    char text[80];
    std::string_view line = ReadLine(text, sizeof text);
    const std::string_view command = TakeWord(line);
    if (!Obey(command, TakeWord(line), here)) {
      DebugPrint("going on\n");
      return;
    }
  }
}

}  // namespace k42::boot
