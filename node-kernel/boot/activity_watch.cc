// An active thread holds its CPU's generation, so it may wait for other threads of the node and for
// nothing else, and such a wait is short. Ten times a second each CPU looks at its active threads:
// one that has been active and blocked for 100 ms is named, with its call chain; after 2 s it is
// the end.
#include "boot/activity_watch.h"

#include "cobj/inspect.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/cpu_message.h"
#include "machine/log.h"
#include "machine/timer.h"

namespace k42::boot {

namespace {

constexpr std::uint64_t kPeriodNs = 100'000'000;
constexpr std::uint32_t kFatal = 20;  // looks in a row

struct Watch : machine::CpuMessage {
  machine::Timer timer;
  // The worst case so far: one thread, in one activity.
  const machine::ThreadContext* suspect = nullptr;
  std::uint64_t since = 0;
  std::uint32_t looks = 0;
};
constinit Watch watches[machine::kMaxCpus];

void Look(void* argument);

void Arm(Watch& watch) {
  watch.timer.Arm(machine::MonotonicNs() + kPeriodNs, &Look, &watch);
}

void Look(void* argument) {
  Watch& watch = *static_cast<Watch*>(argument);
  const std::uint64_t now = machine::MonotonicNs();
  const machine::ThreadContext* oldest = nullptr;
  cobj::ForEachActive(
      *cobj::node_objects, machine::CurrentCpu(), [&](const machine::ThreadContext& context) {
        if (context.thread->IsBlocked() && now - context.active_since >= kPeriodNs &&
            (oldest == nullptr || context.active_since < oldest->active_since))
          oldest = &context;
      });
  // By the looks that found it, not by the clock: a CPU that the host did not run saw nothing.
  const bool same =
      oldest != nullptr && oldest == watch.suspect && oldest->active_since == watch.since;
  watch.looks = same ? watch.looks + 1 : 1;
  watch.suspect = oldest;
  watch.since = oldest == nullptr ? 0 : oldest->active_since;
  if (oldest != nullptr && watch.looks == 2) {
    machine::Log("thread {} has been active and blocked for 100 ms, outside BlockExternal",
                 oldest->thread->name());
    oldest->thread->LogCallChain();
  }
  if (oldest != nullptr && watch.looks == kFatal) {
    oldest->thread->LogCallChain();
    machine::Panic("thread {} waits outside BlockExternal", oldest->thread->name());
  }
  Arm(watch);
}

}  // namespace

void WatchActivity() {
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    watches[cpu].handler = [](machine::CpuMessage* message) { Arm(*static_cast<Watch*>(message)); };
    machine::Send(cpu, &watches[cpu]);
  }
}

}  // namespace k42::boot
