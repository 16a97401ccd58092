// Watchdog: CPUs look after each other, so that one that does not answer is named, with what it
// does, rather than waited for in silence.
//
// Each CPU's timer ticks twice a second, and ten times while something is suspect. At a tick a CPU
// looks at the next one (shared/cpu_watch.h says what it concludes), and past that at the one
// behind it while that is silent itself; and at its own list of waits for other CPUs
// (machine/answer_wait.h), of which those older than a second are reported, with the CPUs that they
// wait for. A node with one CPU has nobody to look.
//
// It reports and changes nothing: a CPU that comes back goes on. All in thread context.
#pragma once

#include "platform/contract/types.h"

namespace k42::machine {

// All CPUs run.
void StartWatchdog();

// Reports soon, with what it does by then, that `cpu` has let `what` wait for `ns`. `cpu` is not
// the caller's.
void ReportSlowCpu(CpuId cpu, const char* what, std::uint64_t ns);

struct WatchdogHooks {
  void (*tick)() = nullptr;           // on each CPU, at each tick
  void (*deaf)(CpuId cpu) = nullptr;  // on the looker, at each of its ticks while `cpu` is deaf
};
// Before StartWatchdog.
void SetWatchdogHooks(const WatchdogHooks& hooks);

}  // namespace k42::machine
