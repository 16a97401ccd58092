// The node's processes: task table, images, hooks from user space; and the first process.
#pragma once

#include <string_view>

#include "proc/services.h"

namespace k42::boot {

// After StartObjects. From here on other parts may set Processes().fixed handles.
void StartProcesses();

proc::ProcessServices& Processes();

// Does the kernel carry an image of that name? At any time, as early as one likes.
bool CarriesImage(std::string_view name);

// What the first process gets as standard input, output and errors; empty by default.
void SetFirstStreams(const cobj::ObjectRef& in, const cobj::ObjectRef& out,
                     const cobj::ObjectRef& errors);

// By boot options:
//   init=PATH        what the first process runs; words after ` -- ` are its arguments
//   image=NAME       the image it is made of; `linux` by default, else a native program's name
//   exit             when it has ended, power off: emulator's exit status 33 for exit code 0, else
//                    65 + 2 * code (codes above 94: 5)
// Without init= and image= nothing is started. It stands still until ContinueFirstProcess.
void StartFirstProcess();

void ContinueFirstProcess();

}  // namespace k42::boot
