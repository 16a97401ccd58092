#include "boot/start_terminals.h"

#include <new>

#include "base/assert.h"
#include "boot/start_files.h"
#include "boot/start_processes.h"
#include "console.h"
#include "drivers/serial_input.h"
#include "fs/open_file.dispatch.h"
#include "io/task_job_control.h"
#include "machine/log.h"

namespace k42::boot {
namespace {

alignas(io::TaskJobControl) constinit unsigned char jobs_memory[sizeof(io::TaskJobControl)] = {};
alignas(io::TerminalSet) constinit unsigned char set_memory[sizeof(io::TerminalSet)] = {};
constinit io::TerminalSet* set = nullptr;

// In pieces: the console's lock keeps interrupts off.
void ShowOnConsole(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kPiece = 64;
  while (!bytes.empty()) {
    const std::size_t size = bytes.size() < kPiece ? bytes.size() : kPiece;
    machine::WriteConsole({reinterpret_cast<const char*>(bytes.data()), size});
    bytes = bytes.subspan(size);
  }
}

// By its name, so that programs find out which terminal they have.
cobj::ObjectRef OpenConsoleStream() {
  const auto opened = Names().Open(cobj::CallContext::Kernel(), nullptr, "/dev/console",
                                   fs::kOpenRead | fs::kOpenWrite | fs::kOpenNoControllingTerminal,
                                   0, fs::Identity::Kernel());
  K42_ASSERT(opened.ok(), "the console can be opened");
  return {opened.value().ref.bits(), opened.value().rights, &fs::kOpenFileInfo};
}

}  // namespace

io::TerminalSet& Terminals() {
  return *set;
}

void StartTerminals() {
  auto* jobs = new (jobs_memory) io::TaskJobControl(Processes().tasks);
  set = new (set_memory) io::TerminalSet(*jobs);
  K42_ASSERT(IsOk(set->MakeConsole(ShowOnConsole)), "memory for the console");
  Processes().tasks.SetSessionEnded(
      [](std::uint32_t session, std::uint64_t device) { set->SessionEnded(session, device); });
  const Status input = drivers::StartSerialInput(
      [](std::span<const std::uint8_t> bytes) { set->console()->Type(bytes); });
  if (!IsOk(input)) {
    machine::Log("console: no input ({})", input);
  }
}

void OpenFirstStreams() {
  const cobj::ObjectRef input = OpenConsoleStream();
  const cobj::ObjectRef output = OpenConsoleStream();
  SetFirstStreams(input, output, OpenConsoleStream());
}

void GiveConsoleToFirstProcess() {
  constexpr std::uint32_t kFirst = 1;
  if (IsOk(Processes().tasks.SetTerminal(kFirst, io::kConsoleDevice))) {
    set->console()->Adopt(kFirst, kFirst);
  }
}

}  // namespace k42::boot
