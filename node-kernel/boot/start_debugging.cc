#include "boot/start_debugging.h"

#include <atomic>

#include "base/assert.h"
#include "boot/debug_console.h"
#include "cobj/object_system.h"
#include "cpu_state.h"
#include "drivers/serial_input.h"
#include "machine/boot_info.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/stepped_range.h"
#include "nmi.h"
#include "watchdog.h"

namespace k42::boot {
namespace {

constexpr machine::CpuId kSerialCpu = 0;  // StartTerminals runs there
constexpr std::uint64_t kTokenNs = 2'000'000'000;

constinit std::atomic<std::uint64_t> token_moves{0};
constinit std::atomic<std::uint64_t> token_since_ns{0};
constinit std::atomic<bool> token_reported{false};

// The CPU that has the token, or else one that has messages waiting: the token is one of them.
machine::CpuId TokenHolder(const cobj::Grace& grace) {
  machine::CpuId waiting = machine::CurrentCpu();
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    if (grace.ViewOf(cpu).token) {
      return cpu;
    }
    if (cpu != machine::CurrentCpu() && !machine::StateOf(cpu).messages.empty()) {
      waiting = cpu;
    }
  }
  return waiting;
}

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
  if (now <= since + kTokenNs || token_reported.exchange(true)) {
    return;
  }
  const machine::CpuId holder = TokenHolder(grace);
  if (holder != machine::CurrentCpu()) {
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
  if constexpr (kDebugChecks) {
    std::uint32_t most = 0;
    for (const char digit : machine::BootOption("inject", "0")) {
      most = most * 10 + static_cast<std::uint32_t>(digit - '0');
    }
    machine::SetInjection(most);
  }
}

}  // namespace k42::boot
