// What a CPU does, in words: for panics, the watchdog and the debug console.
#pragma once

#include "machine/thread.h"
#include "nmi.h"

namespace k42::machine {

struct CpuActivity {
  CpuPicture picture;
  Thread* thread;  // the CPU's current one; null: none yet
  const char* state;
};
// From the CPU's last picture.
CpuActivity ActivityOf(CpuId cpu);

// One line to the log, `CPU 3: <why>: runs with interrupts off, thread pool (17)`, and the call
// chain of `most` frames unless it just halts.
void PrintActivity(CpuId cpu, const char* why, unsigned most);

}  // namespace k42::machine
