#include "cobj/cpu_steps.h"

namespace k42::cobj {

void CpuSteps::Start(CpuSet cpus, Step step, void* argument) {
  waiter_ = machine::Thread::Current();
  home_ = machine::CurrentCpu();
  step_ = step;
  argument_ = argument;
  done_ = cpus.empty();
  pending_.Start(cpus.Count());
  for (const machine::CpuId cpu : cpus) {
    messages_[cpu].steps = this;
    messages_[cpu].handler = &Run;
    machine::Send(cpu, &messages_[cpu]);
  }
}

void CpuSteps::Run(machine::CpuMessage* message) {
  CpuSteps* steps = static_cast<Message*>(message)->steps;
  if (steps->step_(steps->argument_, machine::CurrentCpu()))
    steps->Report();
}

void CpuSteps::Report() {
  if (!pending_.Down())
    return;
  last_.steps = this;
  last_.handler = &ComeHome;
  machine::Send(home_, &last_);
}

void CpuSteps::ComeHome(machine::CpuMessage* message) {
  CpuSteps* steps = static_cast<Message*>(message)->steps;
  steps->done_ = true;
  if (steps->last_call_ != nullptr)
    steps->last_call_(steps->last_argument_);
  else
    steps->waiter_->Unblock();
}

bool CpuSteps::Wait(std::uint64_t deadline_ns) {
  timed_out_ = false;
  machine::Timer timer;
  if (deadline_ns != 0) {
    timer.Arm(
        deadline_ns,
        [](void* self) {
          static_cast<CpuSteps*>(self)->timed_out_ = true;
          static_cast<CpuSteps*>(self)->waiter_->Unblock();
        },
        this);
  }
  while (!done_ && !timed_out_) machine::Thread::BlockExternal();
  return done_;
}

void CpuSteps::Settle() {
  if (!pending_.over())
    return;
  while (!done_) machine::Thread::BlockExternal();
}

void CpuSteps::Leave(void (*last)(void*), void* argument) {
  if (done_)
    return last(argument);
  last_argument_ = argument;
  last_call_ = last;
}

}  // namespace k42::cobj
