#include "sched/cpu_scheduler.h"

#include <new>

#include "base/assert.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/thread.h"
#include "machine/user_entry.h"
#include "machine/user_mode.h"
#include "machine/vector_state.h"
#include "sched/frame.h"
#include "sched/hand_over.h"
#include "sched/upcall.h"
#include "trace/trace.h"

namespace k42::sched {

using machine::MonotonicNs;
using State = Dispatcher::State;

namespace {

bool Counts(State state) {
  return state == State::kReady || state == State::kRunning || state == State::kInKernel;
}

}  // namespace

alignas(CpuScheduler) constinit unsigned char cpu_schedulers[machine::kMaxCpus]
                                                            [sizeof(CpuScheduler)] = {};

CpuScheduler& CpuScheduler::Here() {
  const machine::CpuId cpu = machine::CurrentCpu();
  CpuScheduler& here = Of(cpu);
  if (!here.started_) [[unlikely]] {
    ::new (&here) CpuScheduler;
    here.cpu_ = cpu;
    here.started_ = true;
    machine::StartUserEntry();
  }
  return here;
}

machine::CpuId CpuScheduler::LeastLoaded(std::uint64_t allowed) {
  machine::CpuId best = machine::CurrentCpu();
  bool found = (allowed >> best & 1) != 0;
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    if ((allowed >> cpu & 1) != 0 && (!found || Of(cpu).load() < Of(best).load())) {
      best = cpu;
      found = true;
    }
  }
  return best;
}

void CpuScheduler::SetState(Dispatcher& dispatcher, State state) {
  const bool before = Counts(dispatcher.now_.state), after = Counts(state);
  if (before != after)
    load_.fetch_add(after ? 1u : ~0u, std::memory_order_relaxed);
  if (state == State::kRunning) {
    trace::SetContext(dispatcher.name());
    trace::Log(trace::kDispatchIn, dispatcher.name(), dispatcher.page_->dispatcher_index);
  } else if (dispatcher.now_.state == State::kRunning) {
    trace::SetContext(0);
    trace::Log(trace::kDispatchOut, dispatcher.name(), static_cast<std::uint8_t>(state));
  }
  dispatcher.now_.state = state;
}

void CpuScheduler::MakeReady(Dispatcher& dispatcher) {
  if (dispatcher.now_.stop_asked) {
    SetState(dispatcher, State::kStopped);
    return;
  }
  SetState(dispatcher, State::kReady);
  Enqueue(dispatcher);
  ConsiderPreemption();
}

// In the queue stands whoever pays.
void CpuScheduler::Enqueue(Dispatcher& dispatcher) {
  Entity& payer = dispatcher.payer();
  payer.runs = &dispatcher;
  queue_.Insert(&payer);
  trace::Log(trace::kQueueInsert, dispatcher.name());
}

void CpuScheduler::Dequeue(Dispatcher& dispatcher) {
  queue_.Remove(&dispatcher.payer());
}

void CpuScheduler::Finish(Dispatcher& dispatcher) {
  dispatcher.wait_timer_.Cancel();
  dispatcher.user_timer_.Cancel();
  if (owner_ == &dispatcher)
    owner_ = nullptr;
  if (dispatcher.payer().runs == &dispatcher)
    dispatcher.payer().runs = nullptr;
  dispatcher.payer_ = &dispatcher;
  SetState(dispatcher, State::kEnded);
  dispatcher.owner_.EndCalls();
  Close(dispatcher);
}

// If its message is still on its way, the owner is told when that comes.
void CpuScheduler::Close(Dispatcher& dispatcher) {
  if (dispatcher.requests_.Close())
    dispatcher.owner_.Ended();
}

void CpuScheduler::Apply(Dispatcher& dispatcher, std::uint32_t requests) {
  if (dispatcher.now_.state == State::kEnded) {
    Close(dispatcher);
    return;
  }
  if ((requests & Dispatcher::kAdmit) != 0 &&
      (dispatcher.now_.state == State::kNew || dispatcher.now_.state == State::kParked)) {
    if (dispatcher.now_.ending) {
      Finish(dispatcher);
      return;
    }
    queue_.StartLevel(&dispatcher, payer_);
    MakeReady(dispatcher);
  }
  if ((requests & Dispatcher::kStop) != 0) {
    dispatcher.now_.stop_asked = true;
    if (dispatcher.now_.state == State::kReady) {
      Dequeue(dispatcher);
      SetState(dispatcher, State::kStopped);
    }
  }
  if ((requests & Dispatcher::kContinue) != 0) {
    dispatcher.now_.stop_asked = false;
    if (dispatcher.now_.state == State::kStopped)
      MakeReady(dispatcher);
  }
  if (dispatcher.now_.state == State::kWaiting && (requests & dispatcher.wakes_on_) != 0) {
    dispatcher.wait_timer_.Cancel();
    if (dispatcher.now_.ending) {  // it waited for a page that had to come first
      Finish(dispatcher);
      return;
    }
    MakeReady(dispatcher);
  }
  if ((requests & Dispatcher::kEnd) == 0)
    WakeIdle(dispatcher);
  if ((requests & Dispatcher::kEnd) != 0) {
    dispatcher.now_.ending = true;
    switch (dispatcher.now_.state) {
      case State::kReady:
        Dequeue(dispatcher);
        Finish(dispatcher);
        break;
      case State::kStopped:
      case State::kIdle:
      case State::kParked:
        Finish(dispatcher);
        break;
      case State::kWaiting:
        // A page on its way still knows the dispatcher: it ends when that has come.
        if (dispatcher.wakes_on_ != Dispatcher::kFaultDone)
          Finish(dispatcher);
        break;
      case State::kRunning:
      case State::kInKernel:
        break;           // BeforeUser sees it
      case State::kNew:  // whoever makes it still does
      case State::kEnded:
        break;
    }
  }
}

void CpuScheduler::Charge(Entity& payer, std::uint64_t now_ns) {
  const std::uint64_t ran = now_ns - since_ns_;
  since_ns_ = now_ns;
  payer.usage.Charge(ran, payer.weight, now_ns);
  payer.account.Charge(ran, now_ns);
  busy_.Charge(ran, now_ns);
}

void CpuScheduler::ConsiderPreemption() {
  if (current_ == nullptr || current_->now_.switch_wanted)
    return;
  const std::uint64_t now = MonotonicNs();
  Charge(*payer_, now);
  if (queue_.Preempts(*payer_, now))
    OnQuantum();
  else if (queue_.HasCompetitor(*payer_) && !quantum_timer_.armed())
    quantum_timer_.Arm(
        turn_began_ns_ + SliceOf(payer_->quantum_ns, payer_->weight, kQuantumMin, kQuantumMax),
        [](void* self) { static_cast<CpuScheduler*>(self)->OnQuantum(); }, this);
}

void CpuScheduler::OnQuantum() {
  if (current_ == nullptr || !queue_.HasCompetitor(*payer_))
    return;
  if (grace_given_ || current_->entries_.run_entry == 0) {
    current_->now_.switch_wanted = true;
    return;
  }
  grace_given_ = true;
  current_->page_->pending.fetch_or(abi::kEventPreempt, std::memory_order_relaxed);
  quantum_timer_.Arm(
      MonotonicNs() + kPreemptGrace,
      [](void* self) { static_cast<CpuScheduler*>(self)->OnQuantum(); }, this);
}

std::uint64_t CpuScheduler::FsBaseOf(const Dispatcher& dispatcher) const {
  return owner_ == &dispatcher ? machine::ReadFsBase() : dispatcher.user_state_.fs_base;
}

void CpuScheduler::SetFsBaseOf(Dispatcher& dispatcher, std::uint64_t base) {
  if (owner_ == &dispatcher)
    machine::WriteFsBase(base);
  else
    dispatcher.user_state_.fs_base = base;
}

void CpuScheduler::ShowEntry(const Dispatcher& dispatcher) {
  const machine::InterruptsOff off;
  if (current_ == &dispatcher)  // else TakeCpu shows it
    machine::SetUserEntry(dispatcher.page_, dispatcher.entries_.syscall_entry,
                          dispatcher.user_page_);
}

// To itself: what its threads have used is seen without a call.
void CpuScheduler::TellUse(Dispatcher& dispatcher) {
  dispatcher.page_->used.store(dispatcher.account.word(), std::memory_order_relaxed);
}

// The CPU is the dispatcher's from now on. Interrupts off.
void CpuScheduler::TakeCpu(Dispatcher& dispatcher) {
  current_ = &dispatcher;
  payer_ = &dispatcher.payer();
  payer_->runs = &dispatcher;
  SetState(dispatcher, State::kRunning);
  since_ns_ = turn_began_ns_ = MonotonicNs();
  payer_->account.Run(since_ns_);
  busy_.Run(since_ns_);
  TellUse(dispatcher);
  dispatcher.now_.switch_wanted = grace_given_ = false;
  dispatcher.switches_.fetch_add(1, std::memory_order_relaxed);
  switches_.fetch_add(1, std::memory_order_relaxed);
  dispatcher.page_->cpu = cpu_;
  dispatcher.page_->run_count = dispatcher.switches_.load(std::memory_order_relaxed);
  machine::SetUserEntry(dispatcher.page_, dispatcher.entries_.syscall_entry, dispatcher.user_page_);
  LoadRegisters(dispatcher);
  dispatcher.owner_.LoadSpace();
  quantum_timer_.Cancel();
  ConsiderPreemption();
}

// What the stopped dispatcher goes on with is in the frame. Interrupts off.
void CpuScheduler::LeaveCurrent(machine::TrapFrame* frame, State state) {
  Dispatcher& dispatcher = *current_;
  StateFromFrame(*frame, &dispatcher.user_state_);
  GiveUpCpu();
  SetState(dispatcher, state);
}

void CpuScheduler::GiveUpCpu() {
  Charge(*payer_, MonotonicNs());
  payer_->account.Stop();
  busy_.Stop();
  TellUse(*current_);
  quantum_timer_.Cancel();
  current_ = nullptr;
  payer_ = nullptr;
}

void CpuScheduler::ToLoop() {
  machine::ThreadContext& context = machine::Thread::Current()->context();
  context.user_call = nullptr;
  context.space = nullptr;
  machine::ReturnToLoop();
}

void CpuScheduler::RunUser() {
  if (current_ != nullptr) {
    // Its thread has blocked: it comes back by BeforeUser.
    SetState(*current_, State::kInKernel);
    GiveUpCpu();
  }
  if (Entity* entity = queue_.TakeFirst())
    Enter(*entity->runs);
}

void CpuScheduler::OnRunUser() {
  Here().RunUser();
}

// Harmless at any time: at worst the dispatcher yields for nothing.
void CpuScheduler::OnInject() {
  Dispatcher* current = Here().current_;
  if (current != nullptr && current->entries_.run_entry != 0)
    current->page_->pending.fetch_or(abi::kEventPreempt, std::memory_order_relaxed);
}

bool CpuScheduler::OnOwnsCpu() {
  return Here().current_ == Dispatcher::Current();
}

// User code of this CPU has run, so its scheduler is there. Mostly there is nothing to do.
void CpuScheduler::OnBeforeUser(machine::TrapFrame* frame) {
  const Dispatcher& dispatcher = *Dispatcher::Current();
  if (dispatcher.now_.word() != Dispatcher::Now{State::kRunning}.word() ||
      dispatcher.page_->pending.load(std::memory_order_relaxed) != 0) [[unlikely]]
    InUse().BeforeUser(frame);
}

void CpuScheduler::Enter(Dispatcher& dispatcher) {
  machine::Thread::Current()->context().user_call = &dispatcher;
  TakeCpu(dispatcher);
  machine::TrapFrame frame;
  FrameFromState(dispatcher.user_state_, &frame);
  if (dispatcher.finish_first) {
    dispatcher.finish_first = false;
    machine::EnableInterrupts();
    dispatcher.owner_.FinishFirst(&frame);
    machine::DisableInterrupts();
    // Interrupts and threads that it made ready are the loop's, which looks at them before user
    // code.
    StateFromFrame(frame, &dispatcher.user_state_);
    if (current_ == &dispatcher)
      GiveUpCpu();
    if (dispatcher.now_.ending)
      Finish(dispatcher);
    else
      MakeReady(dispatcher);
    ToLoop();
  }
  Upcall(dispatcher).DeliverPending(&frame);
  // The gs base is set afresh: whatever ran may have moved it.
  machine::EnterUser(frame, machine::ReadFsBase(), dispatcher.user_page_);
}

void CpuScheduler::BeforeUser(machine::TrapFrame* frame) {
  Dispatcher& dispatcher = *Dispatcher::Current();
  if (current_ != &dispatcher) {
    // Others have run since this thread blocked. Their turn is not over because of that.
    StateFromFrame(*frame, &dispatcher.user_state_);
    if (current_ == nullptr && !dispatcher.now_.ending && !dispatcher.now_.stop_asked &&
        queue_.empty()) {
      TakeCpu(dispatcher);
      machine::SetUserGsBase(dispatcher.user_page_);
    } else {
      if (dispatcher.now_.ending)
        Finish(dispatcher);
      else
        MakeReady(dispatcher);
      ToLoop();
    }
  }
  if (dispatcher.now_.ending)
    EndCurrent();
  if (dispatcher.now_.stop_asked) {
    LeaveCurrent(frame, State::kStopped);
    ToLoop();
  }
  if (dispatcher.now_.switch_wanted) {
    LeaveCurrent(frame, State::kReady);
    Enqueue(dispatcher);
    ToLoop();
  }
  Upcall(dispatcher).DeliverPending(frame);
}

void CpuScheduler::Wait(machine::TrapFrame* frame, std::uint32_t wakes_on,
                        std::uint64_t deadline_ns) {
  const machine::InterruptsOff off;
  Dispatcher& dispatcher = *Dispatcher::Current();
  if (current_ == &dispatcher) {
    LeaveCurrent(frame, State::kWaiting);
  } else {  // its thread has blocked before, and others run
    StateFromFrame(*frame, &dispatcher.user_state_);
    SetState(dispatcher, State::kWaiting);
  }
  dispatcher.wakes_on_ = wakes_on;
  if (dispatcher.now_.ending && wakes_on != Dispatcher::kFaultDone) {
    Finish(dispatcher);
  } else if (deadline_ns != 0) {
    dispatcher.wait_timer_.Arm(
        deadline_ns, [](void* waiter) { static_cast<Dispatcher*>(waiter)->Ask(Dispatcher::kWake); },
        &dispatcher);
  }
  ToLoop();
}

void CpuScheduler::Yield(machine::TrapFrame* frame) {
  const machine::InterruptsOff off;
  Dispatcher& dispatcher = *current_;
  if (!queue_.HasCompetitor(*payer_))
    return;
  LeaveCurrent(frame, State::kReady);
  Enqueue(dispatcher);
  ToLoop();
}

// Of a hand-over: the turn of whoever pays now begins.
void CpuScheduler::BeginTurn(Dispatcher& dispatcher, Entity& payer) {
  const std::uint64_t now = MonotonicNs();
  Charge(*payer_, now);
  payer_->account.Stop();
  payer_->runs = nullptr;
  payer_ = &payer;
  payer_->account.Run(now);
  turn_began_ns_ = now;
  quantum_timer_.Cancel();
  dispatcher.now_.switch_wanted = grace_given_ = false;
  ConsiderPreemption();
}

void CpuScheduler::GoIdle() {
  const machine::InterruptsOff off;
  Dispatcher& dispatcher = *Dispatcher::Current();
  if (current_ == &dispatcher)
    GiveUpCpu();
  if (dispatcher.payer_->runs == &dispatcher)
    dispatcher.payer_->runs = nullptr;
  dispatcher.payer_ = &dispatcher;
  dispatcher.now_.switch_wanted = false;
  SetState(dispatcher, State::kIdle);
  if (dispatcher.now_.ending)
    Finish(dispatcher);
  else
    WakeIdle(dispatcher);
  ToLoop();
}

void CpuScheduler::WakeIdle(Dispatcher& dispatcher) {
  // A stopped one begins nothing: its payer could go before it is continued.
  if (dispatcher.now_.state == State::kIdle && !dispatcher.now_.stop_asked &&
      dispatcher.owner_.FindActivity())
    MakeReady(dispatcher);
}

void CpuScheduler::ChangePayer(Entity& from, Entity& to) {
  Dispatcher* runs = from.runs;
  if (runs == nullptr || &from == &to)
    return;
  K42_ASSERT(to.runs == nullptr, "an entity pays for one dispatcher at a time");
  const bool queued = runs->now_.state == State::kReady;
  if (queued)
    queue_.Remove(&from);
  from.runs = nullptr;
  to.runs = runs;
  runs->payer_ = &to;
  if (queued)
    queue_.Insert(&to);
  if (payer_ == &from) {
    Charge(from, MonotonicNs());
    from.account.Stop();
    payer_ = &to;
    payer_->account.Run(since_ns_);
  }
}

// Not by ChangePayer to its own entity: that may pay for a server that it has called itself.
void CpuScheduler::LeavePayer(Dispatcher& dispatcher) {
  const machine::InterruptsOff off;
  if (current_ == &dispatcher) {
    SetState(dispatcher, State::kInKernel);
    GiveUpCpu();
  }
  if (dispatcher.payer_->runs == &dispatcher)
    dispatcher.payer_->runs = nullptr;
  dispatcher.payer_ = &dispatcher;
}

void CpuScheduler::EndCurrent() {
  const machine::InterruptsOff off;
  Dispatcher& dispatcher = *Dispatcher::Current();
  if (current_ == &dispatcher)
    GiveUpCpu();
  Finish(dispatcher);
  ToLoop();
}

void CpuScheduler::Park() {
  const machine::InterruptsOff off;
  Dispatcher& dispatcher = *Dispatcher::Current();
  if (current_ == &dispatcher)
    GiveUpCpu();
  owner_ = owner_ == &dispatcher ? nullptr : owner_;
  SetState(dispatcher, State::kParked);
  if (dispatcher.now_.ending)
    Finish(dispatcher);
  else
    dispatcher.owner_.Parked();
  ToLoop();
}

void CpuScheduler::Restart() {
  const machine::InterruptsOff off;
  Dispatcher& dispatcher = *Dispatcher::Current();
  owner_ = owner_ == &dispatcher ? nullptr : owner_;  // its memory says what it goes on with
  if (current_ == &dispatcher)
    GiveUpCpu();
  if (dispatcher.now_.ending)
    Finish(dispatcher);
  else
    MakeReady(dispatcher);
  ToLoop();
}

}  // namespace k42::sched
