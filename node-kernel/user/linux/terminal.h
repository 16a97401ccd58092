// Terminal ioctls, and termios between Linux's layout and io/control.idl's.
#pragma once

#include <cstdint>

#include "io/control.types.h"
#include "user/linux/description.h"
#include "user/linux/thread.h"

namespace k42::personality {

struct LinuxTermios {  // struct termios as the kernel has it: 19 control characters
  std::uint32_t input, output, control, local;
  std::uint8_t line;
  std::uint8_t keys[19];
};
static_assert(sizeof(LinuxTermios) == 36);

// Pure. Bits without a name in ours travel in TerminalSettings.foreign.
LinuxTermios ToTermios(const io::TerminalSettings& settings);
io::TerminalSettings FromTermios(const LinuxTermios& termios);

// The thread is about to do something to its terminal that stops background processes. 0: it may go
// on; -kEIO; -kERESTARTSYS: its group got the signal (SIGTTIN, SIGTTOU). -kENOTTY: no terminal.
std::int64_t StopInBackground(Thread& thread, KernelFile& file, int signal);
// How many ns a read waits for its first byte; 0: for ever. Negative: not a terminal's program
// side.
std::int64_t FirstByteTime(KernelFile& file);

std::int64_t TerminalIoctl(Thread& thread, KernelFile& file, std::uint32_t request,
                           std::uint64_t argument);

}  // namespace k42::personality
