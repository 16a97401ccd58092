#include "mem/shoot_down.h"

#include <atomic>

#include "mem/wake_up.h"

namespace k42::mem {

namespace {

struct Round {
  void (*work)(void*);
  void* argument;
  std::atomic<std::uint32_t> remaining;
  WakeUp finished;
};

struct Target : machine::CpuMessage {
  Round* round = nullptr;
};

void OnMessage(machine::CpuMessage* message) {
  Round* round = static_cast<Target*>(message)->round;
  round->work(round->argument);
  if (round->remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    round->finished.Signal();
  }
}

}  // namespace

void ShootDown(CpuSet cpus, void (*work)(void*), void* argument) {
  while (!cpus.empty()) {
    CpuSet now;
    for (const std::uint32_t cpu : cpus) {
      now.Add(cpu);
      if (now.Count() == kTargetsPerRound) {
        break;
      }
    }
    Round round{work, argument, now.Count(), {}};
    Target targets[kTargetsPerRound];
    std::uint32_t index = 0;
    for (const std::uint32_t cpu : now) {
      targets[index].round = &round;
      targets[index].handler = OnMessage;
      machine::Send(cpu, &targets[index++]);
    }
    round.finished.Wait();
    cpus = cpus - now;
  }
}

}  // namespace k42::mem
