#include "user/linux/dispatcher.h"

#include "user/linux/entry.h"
#include "user/linux/kernel.h"
#include "user/linux/signals.h"
#include "user/linux/task.h"

namespace k42::personality {
namespace {

constexpr std::uint64_t kSliceNs = 4'000'000;

Dispatcher dispatchers[1];

struct SleepTimer : Timer {
  Thread* thread;
};

}  // namespace

Dispatcher& Here() {
  return dispatchers[0];
}

void Dispatcher::Start(Thread* first) {
  current_ = first;
  acting_ = first->task->pid;
  kernel::Page()->thread = first;
  vector_owner = first;
  fs_owner = first;
}

void Dispatcher::MakeReady(Thread* thread) {
  ready_.PushBack(thread);
  if (slice_end_ns_ == 0) {
    slice_end_ns_ = kernel::MonotonicNs() + kSliceNs;
  }
}

Wake Dispatcher::Block(std::uint64_t deadline_ns, bool interruptible) {
  Thread* self = current_;
  if (interruptible && HasSignalToDeliver(*self)) {
    return Wake::kSignal;
  }
  SleepTimer timer;
  timer.thread = self;
  timer.expired = [](Timer* expired) {
    Here().Wakeup(static_cast<SleepTimer*>(expired)->thread, Wake::kTimeout);
  };
  if (deadline_ns != 0) {
    timers_.Arm(&timer, deadline_ns);
  }
  self->blocked = true;
  self->interruptible = interruptible;
  SwitchToNext();
  timers_.Disarm(&timer);
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
  if (thread->blocked && thread->interruptible) {
    Wakeup(thread, Wake::kSignal);
  }
}

void Dispatcher::Yield() {
  slice_over_ = false;
  if (ready_.empty()) {
    return;
  }
  slice_end_ns_ = 0;  // ProgramTimer begins another
  ready_.PushBack(current_);
  SwitchToNext();
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

// The idle loop runs on the stack of whichever thread gave up the processor last.
void Dispatcher::SwitchToNext() {
  while (ready_.empty()) {
    kernel::WaitForEvent(timers_.NextDeadline());
    TakeEvents();
  }
  Thread* next = ready_.PopFront();
  Thread* previous = current_;
  if (next != previous) {
    current_ = next;
    ActFor(*next->task);
    SwitchStacks(previous, next);
    FreeZombie();
  }
}

void Dispatcher::ActFor(const Task& task) {
  if (acting_ != task.pid) {
    acting_ = task.pid;
    kernel::SetTask(static_cast<std::uint32_t>(task.pid));
  }
}

void Dispatcher::FreeZombie() {
  if (zombie_ && zombie_ != current_) {
    DestroyThread(zombie_);
    zombie_ = nullptr;
  }
}

void Dispatcher::TakeEvents() {
  abi::DispatcherPage* page = kernel::Page();
  const std::uint32_t events = page->pending.exchange(0, std::memory_order_acquire);
  if (events & abi::kEventTicket) {
    tickets_.TakeFired(page);
  }
  if (events & abi::kEventSignal) {
    TakeKernelSignals();
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
      slice_over_ = true;
    }
  }
  if (events & abi::kEventPreempt) {
    kernel::Yield();
  }
}

void Dispatcher::ProgramTimer() {
  std::uint64_t wanted = timers_.NextDeadline();
  if (ready_.empty()) {
    slice_end_ns_ = 0;
    slice_over_ = false;
  } else {
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
  while (ready_.PopFront()) {
  }
  zombie_ = nullptr;
  current_ = survivor;
  acting_ = 0;  // the copy has another number: whoever calls this says which
  tickets_.Reset();
  timers_.Clear();
  programmed_ns_ = 0;
  slice_end_ns_ = 0;
  slice_over_ = false;
  if (vector_owner != survivor) {
    vector_owner = nullptr;
  }
  fs_owner = nullptr;
}

ScopedTicket::ScopedTicket() : thread_(&Self()), ticket_(Here().tickets().Take(this)) {}

ScopedTicket::~ScopedTicket() {
  if (ticket_ == kNoTicket) {
    return;
  }
  if (armed_ && !fired_ && !kernel::CancelTicket(ticket_)) {
    while (!fired_) {  // it has fired: the bit is in the page
      Here().TakeEvents();
    }
  }
  Here().tickets().Release(ticket_);
}

Wake ScopedTicket::Wait(std::uint64_t deadline_ns, bool interruptible) {
  while (!fired_) {
    const Wake wake = Here().Block(deadline_ns, interruptible);
    if (fired_ || wake == Wake::kEvent) {
      continue;
    }
    if (kernel::CancelTicket(ticket_)) {
      armed_ = false;
      return wake;
    }
    while (!fired_) {
      Here().TakeEvents();
    }
  }
  armed_ = false;
  return Wake::kEvent;
}

void ScopedTicket::TicketFired(std::uint32_t) {
  fired_ = true;
  Here().Wakeup(thread_, Wake::kEvent);
}

}  // namespace k42::personality
