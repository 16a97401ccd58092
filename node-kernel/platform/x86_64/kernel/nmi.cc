#include "nmi.h"

#include <atomic>

#include "console.h"
#include "instructions.h"
#include "lapic.h"
#include "machine/clock.h"
#include "machine/cpu.h"

namespace k42::machine {
namespace {

constexpr CpuId kNobody = ~0u;
constexpr std::uint64_t kPatienceNs = 100'000'000;  // an emulated CPU waits for its host's turn

struct alignas(64) CpuNmi {
  std::atomic<bool> asked{false};
  std::atomic<std::uint64_t> number{0};
  TrapFrame frame = {};
};

constinit CpuNmi cpus[kMaxCpus] = {};
constinit std::atomic<bool> halted{false};
constinit std::atomic<CpuId> debugging{kNobody};
constinit std::atomic<Debugger> debugger{nullptr};

// Until every other CPU has answered, or patience ends.
void AwaitPictures(const std::uint64_t* before) {
  const std::uint64_t end = MonotonicNs() + kPatienceNs;
  for (CpuId cpu = 0; cpu < CpuCount(); ++cpu) {
    while (cpu != CurrentCpu() && PictureNumber(cpu) == before[cpu] && MonotonicNs() < end) {
      Pause();
    }
  }
}

void StopAll() {
  std::uint64_t before[kMaxCpus];
  for (CpuId cpu = 0; cpu < CpuCount(); ++cpu) {
    before[cpu] = PictureNumber(cpu);
    if (cpu != CurrentCpu()) {
      cpus[cpu].asked.store(true);
    }
  }
  SendNmiToOthers();
  AwaitPictures(before);
}

void RunDebugger(const TrapFrame& frame) {
  const Debugger run = debugger.load();
  if (run == nullptr) {
    return;
  }
  CpuId expected = kNobody;
  if (!debugging.compare_exchange_strong(expected, CurrentCpu())) {
    return;  // two at once: the other has it, and this CPU's freezing NMI is on its way
  }
  StopAll();
  BreakConsoleLock(true);
  run(frame);
  BreakConsoleLock(false);
  debugging.store(kNobody);
}

}  // namespace

CpuPicture PictureOf(CpuId cpu) {
  return {PictureNumber(cpu), cpus[cpu].frame};
}

std::uint64_t PictureNumber(CpuId cpu) {
  return cpus[cpu].number.load(std::memory_order_acquire);
}

// Two that ask at once share an NMI: a second one would find nobody who has asked, and be taken for
// somebody at the machine who wants the debugger.
void AskForPicture(CpuId cpu) {
  if (!cpus[cpu].asked.exchange(true))
    SendNmi(cpu);
}

void SetDebugger(Debugger run) {
  debugger.store(run);
}

void EnterDebugger() {
  SendNmi(CurrentCpu());
}

void StopOtherCpus() {
  halted.store(true);
  StopAll();
}

void OnNmi(const TrapFrame& frame) {
  CpuNmi& mine = cpus[CurrentCpu()];
  const bool asked = mine.asked.exchange(false);  // who asks from here on gets the next picture
  mine.frame = frame;
  mine.number.fetch_add(1, std::memory_order_release);
  if (halted.load()) {
    HaltForever();
  }
  if (debugging.load() != kNobody) {
    while (debugging.load() != kNobody) {
      Pause();
    }
  } else if (!asked) {
    RunDebugger(frame);
  }
}

}  // namespace k42::machine
