// The node's terminals; the console serves the first process.
#pragma once

#include "io/terminal_set.h"

namespace k42::boot {

// After StartProcesses.
void StartTerminals();

io::TerminalSet& Terminals();

// After StartFiles: the console is what the first process reads and writes.
void OpenFirstStreams();

// After StartFirstProcess: the console is its controlling terminal.
void GiveConsoleToFirstProcess();

}  // namespace k42::boot
