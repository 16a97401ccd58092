#include "user/linux/dispatcher.h"

#include "user/linux/dispatchers.h"
#include "user/linux/entry.h"
#include "user/linux/kernel.h"
#include "user/linux/limits.h"
#include "user/linux/monitor.h"
#include "user/linux/signals.h"
#include "user/linux/task.h"
#include "user/linux/vector_state.h"

namespace k42::personality {
namespace {

constexpr std::uint64_t kSliceNs = 4'000'000;

struct SleepTimer : Timer {
  Thread* thread;
};

}  // namespace

void Dispatcher::Start(Thread* first) {
  current_ = first;
  acting_ = first->task->pid;
  cpu_ = kernel::Page()->cpu;
  kernel::Page()->thread = first;
  vector_owner = first;
  fs_owner = first;
}

void Dispatcher::PushReady(Thread* thread) {
  thread->dispatcher = index_;
  ready_.PushBack(thread);
  ++ready_count_;
}

void Dispatcher::RemoveReady(Thread* thread) {
  ready_.Remove(thread);
  --ready_count_;
}

// A slice, if there is somebody to share with, begins on the way to the program (ProgramTimer).
void Dispatcher::MakeReadyHere(Thread* thread) {
  PushReady(thread);
}

void Dispatcher::MakeReady(Thread* thread) {
  Dispatcher& here = Here();
  if (!monitor.shared()) [[likely]] {
    here.MakeReadyHere(thread);
    return;
  }
  Dispatcher* place = Dispatchers::PlaceFor(*thread);
  if (place->index_ != thread->dispatcher) {
    Dispatchers::Of(thread->dispatcher).LetGo(thread);
  }
  if (place == &here) {
    here.MakeReadyHere(thread);
    return;
  }
  place->PushReady(thread);
  place->idles_ = false;
  place->Notice();
}

// It is told once, until it has looked. It may be putting events by meanwhile.
void Dispatcher::Notice() {
  if ((told_.fetch_or(kNoticed, std::memory_order_relaxed) & kNoticed) == 0) {
    kernel::Notify(index_);
  }
}

// Nothing of a ready thread is left here: not its stack, its registers, or a fault that is still to
// be told.
bool Dispatcher::MayLeave(const Thread& thread) const {
  return &thread != current_ && &thread != vector_owner && !thread.keeps_dispatcher;
}

void Dispatcher::LetGo(Thread* thread) {
  if (fs_owner == thread) {
    fs_owner = nullptr;  // it may come back with another
  }
}

Wake Dispatcher::Block(std::uint64_t deadline_ns, bool interruptible) {
  Dispatcher& here = Here();
  Thread* self = here.current_;
  if (interruptible && HasSignalToDeliver(*self)) {
    return Wake::kSignal;
  }
  SleepTimer timer;
  timer.thread = self;
  timer.expired = [](Timer* expired) {
    Wakeup(static_cast<SleepTimer*>(expired)->thread, Wake::kTimeout);
  };
  if (deadline_ns != 0) {
    here.timers_.Arm(&timer, deadline_ns);
  }
  self->blocked = true;
  self->interruptible = interruptible;
  here.SwitchToNext();
  TimerQueue::Disarm(&timer);
  return self->wake;
}

void Dispatcher::Wakeup(Thread* thread, Wake reason) {
  if (!thread->blocked) {
    return;
  }
  thread->blocked = false;
  thread->wake = reason;
  MakeReady(thread);
}

void Dispatcher::Interrupt(Thread* thread) {
  if (thread->blocked) {
    if (thread->interruptible) {
      Wakeup(thread, Wake::kSignal);
    }
    return;
  }
  Dispatcher& its = Dispatchers::Of(thread->dispatcher);
  if (its.current_ == thread && &its != &Here()) {
    its.Notice();
  }
}

void Dispatcher::Yield() {
  due_ &= ~kSliceOver;
  if (ready_.empty()) {
    return;
  }
  slice_end_ns_ = 0;  // ProgramTimer begins another
  PushReady(current_);
  SwitchToNext();
}

void Dispatcher::EndSlice() {
  Dispatcher* to =
      monitor.shared() && !ready_.empty() ? Dispatchers::LighterThan(*this, *current_) : nullptr;
  if (to) {
    due_ &= ~kSliceOver;
    slice_end_ns_ = 0;
    MoveTo(*to);
  } else {
    Yield();
  }
}

// Its stack and registers go along, so that nothing ties it to this dispatcher.
void Dispatcher::MoveTo(Dispatcher& to) {
  Dispatcher& here = Here();
  Thread* self = here.current_;
  if (&to == &here) {
    return;
  }
  StoreVectorState(self);
  if (here.vector_owner == self) {
    here.vector_owner = nullptr;
  }
  here.LetGo(self);
  here.Account(*self);
  to.PushReady(self);
  to.idles_ = false;
  to.Notice();
  // Nobody runs it before its registers are saved: we are inside.
  here.current_ = here.idle_thread_;
  SwitchStacks(self, here.idle_thread_);
  Here().AfterSwitch();
}

void Dispatcher::Exit() {
  zombie_ = current_;
  if (vector_owner == current_) {
    vector_owner = nullptr;
  }
  if (fs_owner == current_) {
    fs_owner = nullptr;
  }
  current_->blocked = true;
  current_->interruptible = false;
  SwitchToNext();
  __builtin_unreachable();
}

// The idle loop runs on the stack of whichever thread gave up the processor last. If the dispatcher
// parks meanwhile, that thread goes on elsewhere, and nothing here is its any more.
void Dispatcher::SwitchToNext() {
  while (ready_.empty()) {
    if (!Idle()) {
      return;
    }
  }
  Thread* next = ready_.first();
  RemoveReady(next);
  Thread* previous = current_;
  if (next != previous) {
    Account(*previous);
    current_ = next;
    ActFor(*next->task);
    SwitchStacks(previous, next);
    Here().AfterSwitch();
  }
}

bool Dispatcher::Idle() {
  if (monitor.shared()) {
    if (Dispatchers::stopping() && index_ != 0) {
      Dispatchers::ParkHere();
      return false;
    }
    if (Thread* taken = Dispatchers::TakeFor(*this)) {
      PushReady(taken);
      return true;
    }
  }
  // What was put by on the way in would not end the wait: it is off the page.
  if (!HasEventsPutBy()) {
    idles_ = true;
    {
      const Outside outside;
      kernel::WaitForEvent(timers_.NextDeadline());
    }
    idles_ = false;
  }
  TakeEvents();
  return true;
}

void Dispatcher::ActFor(const Task& task) {
  if (acting_ != task.pid) {
    acting_ = task.pid;
    kernel::SetTask(static_cast<std::uint32_t>(task.pid));
  }
}

// The thread was the current one until now.
void Dispatcher::Account(Thread& thread) {
  const std::uint64_t used = kernel::UsedNs(index_);
  thread.cpu_ns += used - accounted_ns_;
  accounted_ns_ = used;
}

std::uint64_t Dispatcher::CpuNs(const Thread& thread) {
  const Dispatcher& its = Dispatchers::Of(thread.dispatcher);
  return its.current_ == &thread && its.page_
             ? thread.cpu_ns + kernel::UsedNs(its.index_) - its.accounted_ns_
             : thread.cpu_ns;
}

void Dispatcher::AfterSwitch() {
  FreeZombie();
}

void Dispatcher::FreeZombie() {
  if (zombie_ && zombie_ != current_) {
    DestroyThread(zombie_);
    zombie_ = nullptr;
  }
}

void Dispatcher::LetOthersRun() {
  if ((due_ & kSliceOver) != 0) {
    EndSlice();
  } else {
    GiveWay();
  }
}

void Dispatcher::PutEventsBy() {
  told_.fetch_or(kernel::Page()->pending.exchange(0, std::memory_order_acquire),
                 std::memory_order_relaxed);
}

void Dispatcher::TakeEvents() {
  abi::DispatcherPage* page = kernel::Page();
  // Inside nobody else writes it.
  const std::uint32_t events =
      page->pending.exchange(0, std::memory_order_acquire) | told_.load(std::memory_order_relaxed);
  told_.store(0, std::memory_order_relaxed);
  if (events & abi::kEventTicket) {
    tickets_.TakeFired(page);
  }
  // The kernel tells the first one of signals and limits: whoever comes by takes them, since it may
  // be waiting for a page, and who has sent one to itself looks for it here.
  constexpr std::uint32_t kOfProcess = abi::kEventSignal | abi::kEventLimits;
  std::uint32_t of_process = events & kOfProcess;
  if (index_ != 0) [[unlikely]] {
    std::atomic<std::uint32_t>& firsts = kernel::FirstPage()->pending;
    if ((firsts.load(std::memory_order_relaxed) & kOfProcess) != 0) {
      of_process |= firsts.fetch_and(~kOfProcess) & kOfProcess;
    }
  }
  if (of_process & abi::kEventSignal) {
    TakeKernelSignals();
  }
  if (of_process & abi::kEventLimits) [[unlikely]] {
    ObeyLimits();
  }
  if (events & abi::kEventFault) {
    TakeCompletedFaults();
  }
  if (events & abi::kEventTimer) {
    programmed_ns_ = 0;
  }
  if (!timers_.empty() || slice_end_ns_ != 0) {
    const std::uint64_t now = kernel::MonotonicNs();
    timers_.Expire(now);
    if (slice_end_ns_ != 0 && now >= slice_end_ns_) {
      slice_end_ns_ = 0;
      due_ |= ready_.empty() ? 0 : kSliceOver;
    }
  }
  if (events & abi::kEventPreempt) {
    due_ |= kGiveWay;
  }
}

void Dispatcher::GiveWay() {
  due_ &= ~kGiveWay;
  const Outside outside;
  kernel::Yield();
}

// Threads whose page was on its way: those whose fault is done continue, here: if it failed, only
// this dispatcher's next try is told so.
void Dispatcher::TakeCompletedFaults() {
  std::uint64_t done = kernel::Page()->faults_completed.exchange(0, std::memory_order_acquire);
  for (std::uint32_t id = 0; done != 0; ++id, done >>= 1) {
    FaultWaiter* waiter = fault_waiters[id];
    if ((done & 1) != 0 && waiter != nullptr) {
      fault_waiters[id] = nullptr;
      waiter->waiting = false;
      Wakeup(waiter->thread, Wake::kEvent);
    }
  }
}

void Dispatcher::ProgramTimer() {
  std::uint64_t wanted = timers_.NextDeadline();
  if (ready_.empty()) {
    slice_end_ns_ = 0;
  } else {
    Dispatchers::Grow();
    if (slice_end_ns_ == 0) {
      slice_end_ns_ = kernel::MonotonicNs() + kSliceNs;
    }
    if (wanted == 0 || slice_end_ns_ < wanted) {
      wanted = slice_end_ns_;
    }
  }
  // One that comes too early, or for nothing, is a moment's work; to move it is a call each time.
  if (wanted != 0 && (programmed_ns_ == 0 || wanted < programmed_ns_)) {
    programmed_ns_ = wanted;
    kernel::SetTimer(wanted);
  }
}

void Dispatcher::KeepOnly(Thread* survivor) {
  Dispatchers::ForgetOthers();
  while (ready_.PopFront()) {
  }
  ready_count_ = 0;
  zombie_ = nullptr;
  current_ = survivor;
  survivor->dispatcher = 0;
  acting_ = 0;  // the copy has another number: whoever calls this says which
  told_.store(0, std::memory_order_relaxed);
  due_ = 0;
  idles_ = false;
  cpu_ = kernel::Page()->cpu;
  tickets_.Reset();
  timers_.Clear();
  programmed_ns_ = 0;
  slice_end_ns_ = 0;
  accounted_ns_ = survivor->cpu_ns = 0;
  for (FaultWaiter*& waiter : fault_waiters) {
    if (waiter) {
      waiter = nullptr;
    }
  }
  if (vector_owner != survivor) {
    vector_owner = nullptr;
  }
  fs_owner = nullptr;
}

bool ScopedTicket::Take() {
  thread_ = &Self();
  ticket_ = Here().tickets().Take(this);
  return valid();
}

void ScopedTicket::Release() {
  if (armed_ && !fired_ && !kernel::CancelTicket(ticket_)) {
    while (!fired_) {
      Dispatchers::TakeFired(ticket_);
    }
  }
  Dispatchers::OfTicket(ticket_).tickets().Release(ticket_);
}

Wake ScopedTicket::Wait(std::uint64_t deadline_ns, bool interruptible) {
  while (!fired_) {
    const Wake wake = Dispatcher::Block(deadline_ns, interruptible);
    if (fired_ || wake == Wake::kEvent) {
      continue;
    }
    if (kernel::CancelTicket(ticket_)) {
      armed_ = false;
      return wake;
    }
    while (!fired_) {
      Dispatchers::TakeFired(ticket_);
    }
  }
  armed_ = false;
  return Wake::kEvent;
}

void ScopedTicket::TicketFired(std::uint32_t) {
  fired_ = true;
  Dispatcher::Wakeup(thread_, Wake::kEvent);
}

}  // namespace k42::personality
