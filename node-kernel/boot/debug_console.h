// The debug console: what the serial line offers when nothing else works any more.
//
// It runs in an NMI on one CPU while all others stand still in theirs (nmi.h), reads and writes the
// port by polling, takes no lock, allocates nothing, and reads the kernel's structures as they
// happen to be: each pointer is looked at before it is followed. `go` lets everybody go on.
//
// In: Ctrl-^ three times on the console (a CPU that still serves interrupts, or its watcher, sees
// it), or an NMI from the host (QMP: `inject-nmi`; QEMU's monitor: `nmi`).
#pragma once

#include "machine/trap_frame.h"

namespace k42::boot {

void RunDebugConsole(const machine::TrapFrame& here);

}  // namespace k42::boot
