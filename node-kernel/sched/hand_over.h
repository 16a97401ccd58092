// CpuScheduler::HandOver, inline: it is a third of what a protected call costs.
#pragma once

#include "machine/thread.h"
#include "machine/user_entry.h"
#include "machine/vector_state.h"
#include "sched/cpu_scheduler.h"
#include "trace/trace.h"

namespace k42::sched {

inline void CpuScheduler::LoadRegisters(Dispatcher& dispatcher) {
  if (owner_ == &dispatcher)
    return;
  if (owner_ != nullptr) [[likely]] {
    owner_->user_state_.fs_base = machine::ReadFsBase();
    machine::SwitchVectorState(owner_->vector_state_, dispatcher.vector_state_);
  } else {
    machine::LoadVectorState(dispatcher.vector_state_);
  }
  machine::WriteFsBase(dispatcher.user_state_.fs_base);
  owner_ = &dispatcher;
}

[[gnu::always_inline]] inline void CpuScheduler::HandOver(Dispatcher& from, Dispatcher& to,
                                                          Entity& payer) {
  if (trace::IsOn(trace::kHandOver.info.event_class)) [[unlikely]]  // else no names are looked up
    trace::Log(trace::kHandOver, from.name(), to.name());
  trace::SetContext(to.name());
  from.now_.state = Dispatcher::State::kIdle;
  from.payer_ = &from;
  to.now_.switch_wanted = from.now_.switch_wanted;
  from.now_.switch_wanted = false;
  to.now_.state = Dispatcher::State::kRunning;
  payer.runs = &to;
  to.payer_ = &payer;
  current_ = &to;
  machine::Thread::Current()->context().user_call = &to;
  machine::SetUserEntry(to.page_, to.entries_.syscall_entry, to.user_page_);
  machine::SetUserGsBase(to.user_page_);
  LoadRegisters(to);
  to.owner_.LoadSpace();
  if (&payer != payer_) [[unlikely]]
    BeginTurn(to, payer);
}

}  // namespace k42::sched
