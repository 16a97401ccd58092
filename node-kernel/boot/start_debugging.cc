#include "boot/start_debugging.h"

#include <atomic>

#include "boot/debug_console.h"
#include "cobj/object_system.h"
#include "drivers/serial_input.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "nmi.h"
#include "watchdog.h"

namespace k42::boot {
namespace {

constexpr machine::CpuId kSerialCpu = 0;  // StartTerminals runs there
constexpr std::uint64_t kTokenNs = 2'000'000'000;

constinit std::atomic<std::uint64_t> token_moves{0};
constinit std::atomic<std::uint64_t> token_since_ns{0};
constinit std::atomic<bool> token_reported{false};

// On whichever CPU ticks: somebody waits for a global grace period, and the token stands still. If
// it is this CPU that keeps it, Grace itself names the thread.
void LookAtToken() {
  const cobj::Grace& grace = cobj::node_objects->grace();
  const std::uint64_t now = machine::MonotonicNs();
  const std::uint64_t moves = grace.token_moves();
  if (grace.idle() || token_moves.exchange(moves) != moves) {
    token_since_ns.store(now);
    token_reported.store(false);
    return;
  }
  const std::uint64_t since = token_since_ns.load();
  const machine::CpuId holder = grace.token_at();
  if (now > since + kTokenNs && holder != machine::CurrentCpu() && !token_reported.exchange(true)) {
    machine::ReportSlowCpu(holder, "keeps the grace token", now - since);
  }
}

}  // namespace

void StartDebugging() {
  machine::SetDebugger(RunDebugConsole);
  drivers::SetDebugKey(machine::EnterDebugger);
  machine::SetWatchdogHooks({.tick = LookAtToken, .deaf = [](machine::CpuId cpu) {
                               if (cpu == kSerialCpu) {
                                 drivers::PollDebugKey();
                               }
                             }});
  machine::StartWatchdog();
}

}  // namespace k42::boot
