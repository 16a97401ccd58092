// CallEnd: what becomes of calls when one end goes: the dispatcher ends, or its program is
// replaced.
#include "cobj/hold.h"
#include "ipc/call_end.h"
#include "machine/interrupts.h"
#include "machine/thread.h"
#include "sched/cpu_scheduler.h"

namespace k42::ipc {

using machine::InterruptsOff;
using sched::CpuScheduler;
using sched::Dispatcher;
using sched::Entity;
using Word = CallWord;

// Nobody wants its result. May wait.
void CallEnd::Discard(Call& call) {
  if (call.object)
    cobj::Release(call.object);
  call.object = {};
  call.table->Give(call);
}

// Of a call whose other end has gone. What it holds is released where one may call objects.
void CallEnd::GiveUp(Call& call) {
  if (!call.object) {
    call.table->Give(call);
    return;
  }
  call.next_of_caller = left_over_;
  left_over_ = &call;
}

void CallEnd::AbandonCalls() {
  while (Call* call = calls_) {
    calls_ = call->next_of_caller;
    if (call->word.state() == Word::kRunning && !call->remote) {
      // Whoever runs below this call goes on, on an account of the call's own.
      Entity& payer = PayerOf(call->outer);
      call->time.band = payer.band, call->time.weight = payer.weight;
      call->time.quantum_ns = payer.quantum_ns, call->time.usage = payer.usage;
      CpuScheduler::Here().ChangePayer(payer, call->time);
    }
    // What has not begun must not keep a slot until a busy server comes to it.
    if (call->word.state() == Word::kQueued && call->table->Withdraw(*call)) {
      call->table->Give(*call);
      continue;
    }
    if (!call->remote) {
      call->caller = nullptr;
      call->plain = false;
    }
    if (!call->word.Abandon())
      GiveUp(*call);
  }
  if (Call* call = completing_) {
    completing_ = nullptr;
    GiveUp(*call);
  }
}

void CallEnd::FailCalls() {
  if (table_ == nullptr)
    return;
  table_->Close();
  while (table_->Pop() != nullptr) {
  }
  for (std::uint32_t i = 0; i < table_->slot_count(); ++i) {
    Call& call = table_->slot(i);
    if (!table_->IsTaken(i))
      continue;
    const bool remote = call.remote;
    const Word::State state = call.word.state();
    if (state != Word::kQueued && state != Word::kRunning && state != Word::kAbandoned)
      continue;
    call.status = state == Word::kQueued ? Status::kEndpointDown : Status::kUnknown;
    call.layout.count = 0;
    CallEnd* caller = call.caller;
    if (call.word.Fail() == Word::kAbandoned)
      GiveUp(call);
    else if (remote)
      caller->dispatcher_.Ask(Dispatcher::kReply);
    else
      CpuScheduler::Here().WakeIdle(caller->dispatcher_);
  }
}

void CallEnd::End() {
  machine::Thread::BecomeActive();
  serving_ = nullptr;
  in_serve_ = false;
  AbandonCalls();
  FailCalls();
}

void CallEnd::Restart() {
  const InterruptsOff off;
  machine::Thread::BecomeActive();
  serving_ = nullptr;
  in_serve_ = false;
  AbandonCalls();
  CpuScheduler::Here().ChangePayer(dispatcher_.payer(), dispatcher_);
  FailCalls();
}

void CallEnd::GiveBack() {
  while (Call* call = left_over_) {
    left_over_ = call->next_of_caller;
    Discard(*call);
  }
  if (table_ != nullptr) {
    table_->EndWaiters();
    table_->Drop();
  }
  table_ = nullptr;
}

}  // namespace k42::ipc
