#include "watchdog.h"

#include <atomic>

#include "cpu_activity.h"
#include "cpu_state.h"
#include "machine/answer_wait.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "machine/timer.h"
#include "nmi.h"
#include "platform/x86_64/shared/cpu_watch.h"

namespace k42::machine {
namespace {

constexpr std::uint64_t kTickNs = 500'000'000;
constexpr std::uint64_t kSuspectNs = 100'000'000;
constexpr std::uint64_t kWaitNs = 1'000'000'000;
constexpr unsigned kFrames = 12;
constexpr unsigned kMostReports = 4;

// A report that waits for the picture that will be in it.
struct SlowReport {
  CpuId cpu;
  const char* what;  // null: free
  std::uint64_t ns;
  std::uint64_t picture;
  std::uint64_t asked_ns;
};

struct alignas(64) Watcher {
  Timer timer;
  CpuMessage start;
  std::atomic<std::uint64_t> loops{0};  // its ticks; the looker reads it
  SlowReport reports[kMostReports] = {};
};

// One looker at a time: the silent CPU's neighbour may change.
struct Watched {
  std::atomic<bool> busy{false};
  CpuWatch watch;
};

constinit Watcher watchers[kMaxCpus];
constinit Watched watched[kMaxCpus];
constinit WatchdogHooks hooks;

CpuWatch::Look LookAt(CpuId cpu) {
  const CpuPicture picture = PictureOf(cpu);
  const auto& interrupts = *const_cast<const volatile std::uint64_t*>(&AreaOf(cpu)->interrupts);
  return {.now_ns = MonotonicNs(),
          .interrupts = interrupts,
          .loops = watchers[cpu].loops.load(std::memory_order_relaxed),
          .messages_wait = !StateOf(cpu).messages.empty(),
          .picture = picture.number,
          .picture_interrupts_on = picture.interrupts_on()};
}

void Report(CpuId cpu, const char* what, std::uint64_t ns) {
  char text[96];
  const std::size_t size =
      Format(std::span(text, sizeof text - 1), "{} for {} ms", what, ns / 1'000'000);
  text[size < sizeof text ? size : sizeof text - 1] = 0;
  PrintActivity(cpu, text, kFrames);
}

// True: `cpu` is silent.
bool LookAfter(CpuId cpu, bool& suspect) {
  Watched& one = watched[cpu];
  if (one.busy.exchange(true, std::memory_order_acquire)) {
    return false;
  }
  using Advice = CpuWatch::Advice;
  const Advice advice = one.watch.Step(LookAt(cpu));
  const std::uint64_t since = one.watch.since_ns();
  suspect = suspect || one.watch.suspect();
  const bool silent = one.watch.silent();
  one.busy.store(false, std::memory_order_release);
  switch (advice) {
    case Advice::kNothing:
      break;
    case Advice::kAsk:
      AskForPicture(cpu);
      break;
    case Advice::kReportDeaf:
      Report(cpu, "stuck with interrupts off", since);
      break;
    case Advice::kReportBusy:
      Report(cpu, "has not come to its loop", since);
      break;
    case Advice::kReportAbsent:
      Log("CPU {}: does not answer an NMI for {} ms: its host does not run it, or it is in one",
          cpu, since / 1'000'000);
      break;
    case Advice::kReportBack:
      Log("CPU {}: answers again, after {} ms", cpu, since / 1'000'000);
      break;
  }
  if (silent && hooks.deaf != nullptr) {
    hooks.deaf(cpu);
  }
  return silent;
}

// The waits of this CPU's threads for others.
void LookAtWaits(std::uint64_t now) {
  for (AnswerWait* wait = ThisCpuState().waits; wait != nullptr; wait = wait->next) {
    if (wait->seen_ns == 0) {
      wait->seen_ns = now;
    } else if (!wait->reported && now - wait->seen_ns >= kWaitNs) {
      wait->reported = true;
      for (const CpuId cpu : wait->silent(*wait)) {
        if (cpu != CurrentCpu()) {
          ReportSlowCpu(cpu, wait->what, now - wait->seen_ns);
        }
      }
    }
  }
}

bool FinishReports(Watcher& mine, std::uint64_t now) {
  bool waiting = false;
  for (SlowReport& one : mine.reports) {
    if (one.what == nullptr) {
      continue;
    }
    if (PictureNumber(one.cpu) == one.picture && now - one.asked_ns < CpuWatch::kAnswerNs) {
      waiting = true;
      continue;
    }
    Report(one.cpu, one.what, one.ns);
    one.what = nullptr;
  }
  return waiting;
}

void Tick(void*) {
  const CpuId self = CurrentCpu();
  Watcher& mine = watchers[self];
  mine.loops.fetch_add(1, std::memory_order_relaxed);
  bool suspect = false;
  for (CpuId i = 1; i < CpuCount() && LookAfter((self + i) % CpuCount(), suspect); ++i) {
  }
  const std::uint64_t now = MonotonicNs();
  LookAtWaits(now);
  if (hooks.tick != nullptr) {
    hooks.tick();
  }
  suspect = FinishReports(mine, MonotonicNs()) || suspect;
  mine.timer.Arm(now + (suspect ? kSuspectNs : kTickNs), Tick, nullptr);
}

}  // namespace

void SetWatchdogHooks(const WatchdogHooks& wanted) {
  hooks = wanted;
}

void ReportSlowCpu(CpuId cpu, const char* what, std::uint64_t ns) {
  for (SlowReport& one : watchers[CurrentCpu()].reports) {
    if (one.what == nullptr) {
      one = {cpu, what, ns, PictureNumber(cpu), MonotonicNs()};
      AskForPicture(cpu);
      return;
    }
  }
  Log("CPU {}: {} for {} ms", cpu, what, ns / 1'000'000);
}

void StartWatchdog() {
  if (CpuCount() == 1) {
    return;
  }
  for (CpuId cpu = 0; cpu < CpuCount(); ++cpu) {
    watchers[cpu].start.handler = [](CpuMessage*) { Tick(nullptr); };
    Send(cpu, &watchers[cpu].start);
  }
}

}  // namespace k42::machine
