#include "mem/shoot_down.h"

#include <atomic>

#include "machine/answer_wait.h"
#include "machine/cpu.h"
#include "mem/wake_up.h"
#include "trace/trace.h"

namespace k42::mem {

namespace {

struct Round : machine::AnswerWait {
  void (*work)(void*);
  void* argument;
  CpuSet asked;
  AtomicCpuSet answered;
  std::atomic<std::uint32_t> remaining;
  WakeUp finished;
};

struct Target : machine::CpuMessage {
  Round* round = nullptr;
};

void OnMessage(machine::CpuMessage* message) {
  Round* round = static_cast<Target*>(message)->round;
  round->work(round->argument);
  round->answered.Add(machine::CurrentCpu());
  if (round->remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    round->finished.Signal();
  }
}

}  // namespace

void ShootDown(CpuSet cpus, void (*work)(void*), void* argument) {
  trace::Log(trace::kShootDown, cpus.bits());
  while (!cpus.empty()) {
    CpuSet now;
    for (const std::uint32_t cpu : cpus) {
      now.Add(cpu);
      if (now.Count() == kTargetsPerRound) {
        break;
      }
    }
    Round round{{"has not answered a shoot-down",
                 [](const machine::AnswerWait& wait) {
                   const auto& self = static_cast<const Round&>(wait);
                   return self.asked - self.answered.Load();
                 }},
                work,
                argument,
                now,
                {},
                now.Count(),
                {}};
    machine::BeginAnswerWait(round);
    Target targets[kTargetsPerRound];
    std::uint32_t index = 0;
    for (const std::uint32_t cpu : now) {
      targets[index].round = &round;
      targets[index].handler = OnMessage;
      machine::Send(cpu, &targets[index++]);
    }
    round.finished.Wait();
    machine::EndAnswerWait(round);
    cpus = cpus - now;
  }
}

}  // namespace k42::mem
