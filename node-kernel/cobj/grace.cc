#include "cobj/grace.h"

#include "machine/clock.h"
#include "machine/log.h"

namespace k42::cobj {

void GraceList::Append(GraceWait* wait) {
  wait->next = nullptr;
  if (first_ == nullptr)
    first_ = wait;
  else
    last_->next = wait;
  last_ = wait;
}

GraceWait* GraceList::PopFront() {
  GraceWait* wait = first_;
  if (wait != nullptr)
    first_ = wait->next;
  return wait;
}

void GraceList::TakeAll(GraceList& other) {
  if (other.first_ == nullptr)
    return;
  if (first_ == nullptr)
    first_ = other.first_;
  else
    last_->next = other.first_;
  last_ = other.last_;
  other.first_ = nullptr;
}

void Grace::AddCpu(machine::CpuId cpu) {
  PerCpu::Poll& poll = cpus_[cpu].poll;
  poll.grace = this;
  poll.handler = [](machine::CpuMessage* message) {
    Grace* grace = static_cast<PerCpu::Poll*>(message)->grace;
    grace->Here().poll_sent = false;
    grace->Poll(grace->Here());
  };
  token_.grace = this;
  token_.handler = [](machine::CpuMessage* message) {
    Grace* grace = static_cast<Token*>(message)->grace;
    grace->TokenArrives(grace->Here());
  };
  (void)members_.Add(cpu);
}

// Somebody waits, and a thread has left its generation.
void Grace::AdvanceAndTell(PerCpu& cpu) {
  if (Advance(cpu))
    SendPoll(cpu);
}

// Towards what is needed; true if it moved.
bool Grace::Advance(PerCpu& cpu) {
  bool moved = false;
  while (cpu.generations.number() < cpu.needed && cpu.generations.TryAdvance()) moved = true;
  return moved;
}

void Grace::SendPoll(PerCpu& cpu) {
  if (cpu.poll_sent)
    return;
  cpu.poll_sent = true;
  machine::Send(machine::CurrentCpu(), &cpu.poll);
}

// Somebody waits until this CPU has reached `generation`.
void Grace::Need(PerCpu& cpu, std::uint64_t generation) {
  if (cpu.needed < generation)
    cpu.needed = generation;
  if (Advance(cpu) || cpu.generations.number() >= generation)
    SendPoll(cpu);
  if (cpu.generations.number() < cpu.needed && !cpu.stall_timer.armed()) {
    cpu.stall_generation = cpu.generations.number();
    cpu.stall_timer.Arm(machine::MonotonicNs() + kStallNs, &OnStall, &cpu);
  }
}

void Grace::AfterLocal(GraceWait* wait) {
  PerCpu& cpu = Here();
  wait->generation = cpu.generations.After();
  cpu.local.Append(wait);
  Need(cpu, wait->generation);
}

void Grace::AfterGlobal(GraceWait* wait) {
  PerCpu& cpu = Here();
  wait->generation = 0;
  cpu.arrived.Append(wait);
  if (parking_.AddWaiter())
    TokenArrives(cpu);
}

void Grace::Poll(PerCpu& cpu) {
  // This is the CPU's loop, between two messages: it holds nothing itself, and with many of them it
  // would not become inactive for a long time.
  machine::ThreadContext& loop = machine::Thread::Current()->context();
  if (cpu.generations.number() < cpu.needed && loop.thread != nullptr) {
    Deactivate(loop);
    Activate(loop);
  }
  Advance(cpu);
  const std::uint64_t number = cpu.generations.number();
  if (number >= cpu.needed)
    cpu.stall_timer.Cancel();
  GraceList waiting;
  waiting.TakeAll(cpu.local);
  while (GraceWait* wait = waiting.PopFront()) {
    if (number >= wait->generation)
      cpu.over.Append(wait);
    else
      cpu.local.Append(wait);
  }
  if (cpu.token_here && number >= cpu.token_generation)
    PassToken(cpu);
  CallBack(cpu);
}

void Grace::CallBack(PerCpu& cpu) {
  std::uint32_t global = 0;
  for (std::uint32_t i = 0; i < kPiece; ++i) {
    GraceWait* wait = cpu.over.PopFront();
    if (wait == nullptr)
      break;
    global += wait->generation == 0 ? 1 : 0;
    wait->done(wait);
  }
  if (global != 0)  // else all CPUs would write this word for what is each one's own
    parking_.RemoveWaiters(global);
  if (!cpu.over.empty())
    SendPoll(cpu);
}

void Grace::TokenArrives(PerCpu& cpu) {
  // Every CPU, this one too, has advanced twice since the last visit.
  if (!cpu.visited.empty())
    SendPoll(cpu);
  cpu.over.TakeAll(cpu.visited);
  cpu.visited.TakeAll(cpu.arrived);
  {
    const machine::SteppedRange stepped;
    if (parking_.TryPark())
      return;
  }
  cpu.token_here = true;
  cpu.token_generation = cpu.generations.After();
  Need(cpu, cpu.token_generation);
}

void Grace::PassToken(PerCpu& cpu) {
  cpu.token_here = false;
  const CpuSet members = members_.Load();
  machine::CpuId next = machine::CurrentCpu();
  do {
    next = (next + 1) % machine::kMaxCpus;
  } while (!members.Contains(next));
  token_moves_.fetch_add(1, std::memory_order_relaxed);
  machine::Send(next, &token_);
}

void Grace::OnStall(void* argument) {
  PerCpu& cpu = *static_cast<PerCpu*>(argument);
  const std::uint64_t number = cpu.generations.number();
  if (number >= cpu.needed)
    return;
  if (number == cpu.stall_generation) {
    for (auto* held = cpu.first_active; held != nullptr; held = held->next_active) {
      if (held->generation < number) {
        machine::Log("generation {} of CPU {} is held for 100 ms by thread {}", held->generation,
                     machine::CurrentCpu(), held->thread->name());
        held->thread->LogCallChain();
      }
    }
  }
  cpu.stall_generation = number;
  cpu.stall_timer.Arm(machine::MonotonicNs() + kStallNs, &OnStall, &cpu);
}

}  // namespace k42::cobj
