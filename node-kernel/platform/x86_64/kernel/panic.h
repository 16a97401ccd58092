// The end: what every fatal path goes through.
#pragma once

#include <cstdint>

#include "machine/trap_frame.h"

namespace k42::machine {

// Announces the panic and stops the other CPUs; from then on this CPU owns the console. Only the
// first CPU returns from here, once; a panic inside a panic powers off at once.
void BeginPanic();

void PrintRegisters(const TrapFrame& frame);

// Runs near the end of a panic, once: to tell what else is known. Set by boot/.
void SetPanicHook(void (*hook)());

// Says which CPU and thread this is, then powers off with ExitCode::kPanic.
[[noreturn]] void FinishPanic();

}  // namespace k42::machine
