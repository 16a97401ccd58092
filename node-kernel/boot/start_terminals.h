// The node's terminals; the console is the first process's standard streams.
#pragma once

#include "io/terminal_set.h"

namespace k42::boot {

// After StartProcesses.
void StartTerminals();

io::TerminalSet& Terminals();

// After StartFirstProcess: the console is its controlling terminal.
void GiveConsoleToFirstProcess();

}  // namespace k42::boot
