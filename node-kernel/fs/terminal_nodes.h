// The names of terminals: tty, console, ptmx and the directory pts, whose entries come and go with
// the pairs.
#pragma once

#include "fs/synthetic.h"
#include "io/terminal_set.h"

namespace k42::fs {

// Adds tty, console and ptmx to /dev.
Status AddTerminals(SyntheticDirectory& devices, io::TerminalSet& terminals);
// What is mounted at /dev/pts.
Result<SyntheticFileSystem*> MakePairFileSystem(io::TerminalSet& terminals, std::uint64_t device);

}  // namespace k42::fs
