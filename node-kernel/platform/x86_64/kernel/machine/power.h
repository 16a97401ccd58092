// Ends the machine. Under QEMU with `-device isa-debug-exit,iobase=0xf4` the emulator's exit status
// is 2 * code + 1; without that device the machine powers off through ACPI.
#pragma once

#include <cstdint>

namespace k42::machine {

enum class ExitCode : std::uint8_t {
  kPanic = 1,      // emulator's exit status 3
  kFailure = 2,    // 5: tests failed, init missing
  kBadOption = 3,  // 7: the command line is refused
  kSuccess = 16,   // 33
};

[[noreturn]] void PowerOff(ExitCode code);

}  // namespace k42::machine
