// The terminal of a program that an operator runs: a pair whose slave is the program's three
// streams, and whose master the run agent holds.
#pragma once

#include "fs/open_file.idl.h"

namespace k42::boot {

struct RunTerminal {
  cobj::Granted<fs::IOpenFile> master;  // non-blocking; both have no handle yet
  cobj::Granted<fs::IOpenFile> slave;
  std::uint32_t number = 0;  // N of /dev/pts/N
};

Status MakeRunTerminal(RunTerminal* terminal);
// It becomes the controlling terminal of the session that `process` leads.
Status GiveRunTerminal(const RunTerminal& terminal, std::uint32_t process);
void ResizeRunTerminal(cobj::Ref<fs::IOpenFile> master, std::uint32_t rows, std::uint32_t columns);

}  // namespace k42::boot
