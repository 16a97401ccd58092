// CpuScheduler::HandOver, inline: it is a third of what a protected call costs.
#pragma once

#include "machine/thread.h"
#include "machine/user_entry.h"
#include "machine/vector_state.h"
#include "sched/cpu_scheduler.h"
#include "trace/trace.h"

namespace k42::sched {

inline void CpuScheduler::FlushRegisters() {
  if (owner_ == nullptr)
    return;
  owner_->user_state_.fs_base = machine::ReadFsBase();
  machine::SaveVectorState(owner_->vector_state_);
  owner_ = nullptr;
}

inline void CpuScheduler::LoadRegisters(Dispatcher& dispatcher) {
  if (owner_ == &dispatcher)
    return;
  FlushRegisters();
  machine::LoadVectorState(dispatcher.vector_state_);
  machine::WriteFsBase(dispatcher.user_state_.fs_base);
  owner_ = &dispatcher;
}

[[gnu::always_inline]] inline void CpuScheduler::HandOver(Dispatcher& to, Entity& payer) {
  Dispatcher& from = *current_;
  trace::Log(trace::kHandOver, from.name(), to.name());
  trace::SetContext(to.name());
  from.now_.state = Dispatcher::State::kIdle;
  from.payer_ = &from;
  to.now_.switch_wanted = from.now_.switch_wanted;
  from.now_.switch_wanted = false;
  to.now_.state = Dispatcher::State::kRunning;
  const bool another_pays = &payer != payer_;
  if (another_pays) [[unlikely]]
    BeginTurn(to, payer);
  payer.runs = &to;
  to.payer_ = &payer;
  current_ = &to;
  machine::Thread::Current()->context().user_call = &to;
  machine::SetUserEntry(to.page_, to.entries_.syscall_entry, to.user_page_);
  machine::SetUserGsBase(to.user_page_);
  LoadRegisters(to);
  to.owner_.LoadSpace();
  if (another_pays) [[unlikely]]
    ConsiderPreemption();
}

}  // namespace k42::sched
