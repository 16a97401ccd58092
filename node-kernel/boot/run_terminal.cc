#include "boot/run_terminal.h"

#include "base/format.h"
#include "boot/start_files.h"
#include "boot/start_processes.h"
#include "boot/start_terminals.h"
#include "io/control.types.h"

namespace k42::boot {
namespace {

using Master = cobj::Ref<fs::IOpenFile>;

template <typename T>
Result<std::uint64_t> Tell(Master master, std::uint32_t operation, const T& value) {
  return master->Control(cobj::CallContext::Kernel(), operation,
                         BufferIn::Kernel(&value, sizeof(value)), BufferOut::Kernel(nullptr, 0));
}

// By its name, so that programs find out which terminal they have.
Status OpenSlave(Master master, RunTerminal* terminal) {
  const std::uint32_t unlocked = 0;
  TRY(Tell(master, io::kTerminalSetPairLock, unlocked));
  terminal->number =
      static_cast<std::uint32_t>(TRY(Tell(master, io::kTerminalGetPairNumber, unlocked)));
  char path[32];
  const std::size_t size = Format(path, "/dev/pts/{}", terminal->number);
  terminal->slave = TRY(Names().Open(
      cobj::CallContext::Kernel(), nullptr, {path, size},
      fs::kOpenRead | fs::kOpenWrite | fs::kOpenNoControllingTerminal, 0, fs::Identity::Kernel()));
  return Status::kOk;
}

}  // namespace

Status MakeRunTerminal(RunTerminal* terminal) {
  terminal->master = TRY(Terminals().OpenMaster(
      cobj::CallContext::Kernel(), nullptr, fs::kOpenRead | fs::kOpenWrite | fs::kOpenNonBlocking));
  const Master master = terminal->master.ref;
  const Status status = OpenSlave(master, terminal);
  if (!IsOk(status)) {  // a handle that comes and goes ends the pair
    (void)master->HandleAdded();
    (void)master->HandleDropped();
  }
  return status;
}

Status GiveRunTerminal(const RunTerminal& terminal, std::uint32_t process) {
  const std::uint64_t device = io::kPairDevices + terminal.number;
  TRY(Processes().tasks.SetTerminal(process, device));
  return Terminals().Give(device, process);
}

void ResizeRunTerminal(Master master, std::uint32_t rows, std::uint32_t columns) {
  io::WindowSize size{};
  size.rows = static_cast<std::uint16_t>(rows);
  size.columns = static_cast<std::uint16_t>(columns);
  (void)Tell(master, io::kTerminalSetWindowSize, size);
}

}  // namespace k42::boot
