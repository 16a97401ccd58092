#include "user/linux/dispatchers.h"

#include <bit>

#include "user/linux/entry.h"
#include "user/linux/heap.h"
#include "user/linux/kernel.h"
#include "user/linux/monitor.h"
#include "user/linux/start.h"
#include "user/linux/task.h"
#include "user/linux/vector_state.h"

namespace k42::personality {
namespace {

constexpr std::size_t kTrapStackSize = 16 * 1024;
constexpr std::uint32_t kMost = abi::kDispatchersMax;
static_assert(kMost <= MonitorWord::kDispatchers);

[[gnu::section(".bss.large")]] constinit Dispatcher first;
Dispatcher* all[kMost];  // by index; the first alone at the beginning
std::uint32_t end;       // those from here on were never filled
std::uint32_t running;   // not parked
std::uint32_t most = 1;  // to have at a time
std::uint64_t all_cpus;  // bit n: there is processor n
std::uint64_t taken;     // has a dispatcher, or never gets one
// No other is tried for before this: there was no memory for the last one. 0: there was.
std::uint64_t pause_end_ns;
constexpr std::uint64_t kPauseNs = 50'000'000;

}  // namespace

bool Dispatchers::stopping_;

template <typename F>
void Dispatchers::ForEach(F visit) {
  for (std::uint32_t index = 0; index < end; ++index) {
    if (all[index] && all[index]->page_) {
      visit(*all[index]);
    }
  }
}

Dispatcher& Dispatchers::First() {
  return first;
}

Dispatcher& Dispatchers::Of(std::uint32_t index) {
  return *all[index];
}

void Dispatchers::TakeFired(std::uint32_t ticket) {
  Dispatcher& owner = OfTicket(ticket);
  while (!owner.page_) {  // parked, for an exec that ends all of this
    (void)Dispatcher::Block(kernel::MonotonicNs() + 1'000'000, false);
  }
  owner.tickets_.TakeFired(owner.page_);
}

void Dispatchers::Begin(std::uint32_t cpus) {
  abi::DispatcherPage* page = kernel::Page();
  page->scratch[0] = reinterpret_cast<std::uint64_t>(&first);
  first.page_ = page;
  all[0] = &first;
  end = running = 1;
  most = cpus < 1 ? 1 : cpus < kMost ? cpus : kMost;
  all_cpus = ~0ull >> (64 - most);
  taken = 1ull << page->cpu;
}

// -- who runs where
// --------------------------------------------------------------------------------

Dispatcher* Dispatchers::PlaceFor(Thread& thread) {
  Dispatcher* home = all[thread.dispatcher];
  if (!home->page_) {  // parked, for an exec
    return &first;
  }
  if (running == 1 || !home->MayLeave(thread) || (home->idles_ && home->Allows(thread))) {
    return home;
  }
  Dispatcher* idle = nullptr;
  Dispatcher* least = home->Allows(thread) ? home : nullptr;
  ForEach([&](Dispatcher& each) {
    if (!each.Allows(thread)) {
      return;
    }
    if (each.idles_ && !idle) {
      idle = &each;
    }
    if (!least) {
      least = &each;
    }
  });
  return idle ? idle : least ? least : home;
}

Dispatcher* Dispatchers::LighterThan(const Dispatcher& here, const Thread& thread) {
  Dispatcher* found = nullptr;
  std::uint32_t least = here.ready_count_;  // without the thread, which would make it one more
  ForEach([&](Dispatcher& each) {
    const std::uint32_t load = each.ready_count_ + (each.idles_ ? 0 : 1);
    if (&each != &here && each.Allows(thread) && load <= least) {
      found = &each;
      least = load;
    }
  });
  return found;
}

Thread* Dispatchers::TakeFor(Dispatcher& taker) {
  Thread* found = nullptr;
  ForEach([&](Dispatcher& each) {
    if (found || &each == &taker) {
      return;
    }
    for (Thread* thread = each.ready_.first(); thread; thread = each.ready_.Next(thread)) {
      if (each.MayLeave(*thread) && taker.Allows(*thread)) {
        each.RemoveReady(thread);
        each.LetGo(thread);
        found = thread;
        return;
      }
    }
  });
  return found;
}

void Dispatchers::Obey(Thread& thread) {
  Dispatcher& its = *all[thread.dispatcher];
  thread.must_move = !its.Allows(thread);
  if (!thread.must_move) {
    return;
  }
  if (its.current_ == &thread && !thread.blocked) {
    Dispatcher::Interrupt(&thread);
  } else if (!thread.blocked && its.MayLeave(thread)) {
    if (Dispatcher* to = PlaceFor(thread); to != &its) {
      its.RemoveReady(&thread);
      Dispatcher::MakeReady(&thread);
    }
  }
}

bool Dispatchers::MoveIfForbidden(Thread& thread) {
  Dispatcher& here = Here();
  if (stopping_ && here.index_ != 0) {
    Dispatcher::MoveTo(first);
    return true;
  }
  if (!thread.must_move) {
    return false;
  }
  thread.must_move = false;
  if (here.Allows(thread)) {
    return false;
  }
  Dispatcher* to = nullptr;
  ForEach([&](Dispatcher& each) {
    if (each.Allows(thread) && (!to || each.ready_count_ < to->ready_count_)) {
      to = &each;
    }
  });
  if (!to) {
    to = Add(thread);
  }
  if (to) {
    Dispatcher::MoveTo(*to);
  } else {
    thread.must_move = pause_end_ns != 0;  // later, perhaps
  }
  return to != nullptr;
}

void Dispatchers::ForgetTask(std::int32_t pid) {
  ForEach([pid](Dispatcher& each) {
    if (each.acting_ == pid) {
      each.acting_ = 0;
    }
  });
}

// -- how many there are
// ----------------------------------------------------------------------------

void Dispatchers::Grow() {
  if (running >= most || stopping_) {
    return;
  }
  Dispatcher& here = Here();
  bool beginning = false;
  ForEach([&](Dispatcher& each) { beginning |= each.idles_; });
  for (Thread* thread = here.ready_.first(); thread && !beginning;
       thread = here.ready_.Next(thread)) {
    beginning = Add(*thread) != nullptr;
  }
}

// On a processor that has none, for the thread. Null: there is none to be had.
Dispatcher* Dispatchers::Add(const Thread& wanting) {
  if (running >= most || (pause_end_ns != 0 && kernel::MonotonicNs() < pause_end_ns)) {
    return nullptr;
  }
  pause_end_ns = 0;
  std::uint64_t cpus = all_cpus & ~taken & wanting.affinity;
  for (; cpus != 0; cpus &= cpus - 1) {
    const auto cpu = static_cast<std::uint32_t>(std::countr_zero(cpus));
    taken |= 1ull << cpu;
    const Status status = Add(cpu);
    // A processor that this process may not use is not tried again; for others there was no memory.
    if (status != Status::kOk && status != Status::kInvalidArgument) {
      taken &= ~(1ull << cpu);
      pause_end_ns = kernel::MonotonicNs() + kPauseNs;
      return nullptr;
    }
    if (status == Status::kOk) {
      for (std::uint32_t index = 0; index < end; ++index) {
        if (all[index] && all[index]->cpu_ == cpu && all[index]->page_) {
          return all[index];
        }
      }
    }
  }
  return nullptr;
}

void Dispatchers::IdleThread() {
  for (;;) Here().SwitchToNext();
}

void Dispatchers::Discard(Dispatcher*& gone) {
  if (gone) {
    DestroyThread(gone->idle_thread_);
    Free(gone->trap_stack, kTrapStackSize);
    gone->tickets_.FreeMemory();
    Delete(gone);
    gone = nullptr;
  }
}

Status Dispatchers::Add(std::uint32_t cpu) {
  if (!first.idle_thread_) {
    first.idle_thread_ = NewThread(IdleThread);
    if (!first.idle_thread_) {
      return Status::kNoMemory;
    }
    first.idle_thread_->task = Tasks().first();
  }
  Status status = Status::kNoMemory;
  auto* added = New<Dispatcher>();
  Thread* idle = NewThread(IdleThread);
  auto* trap_stack = static_cast<char*>(Allocate(kTrapStackSize));
  if (added && idle && trap_stack) {
    idle->task = Tasks().first();
    added->cpu_ = cpu;
    added->current_ = added->idle_thread_ = idle;
    added->trap_stack = trap_stack;
    monitor.Share();
    abi::UserState state{};
    state.rip = reinterpret_cast<std::uint64_t>(&Begun);
    state.rdi = reinterpret_cast<std::uint64_t>(added);
    state.rsp = idle->stack_top - 8;
    const Result<std::uint32_t> index = kernel::AddDispatcher(cpu, state);
    status = index.status();
    if (index.ok()) {
      // It waits to come inside. A parked one's record goes: it is not coming back to it.
      Discard(all[index.value()]);
      added->index_ = index.value();
      added->page_ = kernel::PageOf(index.value());
      added->tickets_.SetFirst(index.value() * abi::kTicketCount);
      all[index.value()] = added;
      end = end > index.value() ? end : index.value() + 1;
      ++running;
      return Status::kOk;
    }
  }
  if (running == 1) {
    monitor.Unshare();
  }
  Free(trap_stack, kTrapStackSize);
  if (idle) {
    DestroyThread(idle);
  }
  Delete(added);
  return status;
}

// Where a further dispatcher starts, disabled, outside the monitor, on its idle thread's stack.
void Dispatchers::Begun(Dispatcher* self) {
  abi::DispatcherPage* page = kernel::Page();
  page->scratch[0] = reinterpret_cast<std::uint64_t>(self);
  page->stack = reinterpret_cast<std::uint64_t>(self->trap_stack) + kTrapStackSize;
  page->thread = self->idle_thread_;
  self->index_ = page->dispatcher_index;
  monitor.Enter();
  for (;;) self->SwitchToNext();
}

// -- the end, and forks
// ----------------------------------------------------------------------------

bool Dispatchers::StopOthers() {
  if (running == 1) {
    return false;
  }
  Self().keeps_dispatcher = true;
  Dispatcher::MoveTo(first);
  stopping_ = true;
  ForEach([](Dispatcher& each) {
    if (each.index_ != 0) {
      each.Notice();
    }
  });
  while (running > 1) {
    (void)Dispatcher::Block(kernel::MonotonicNs() + 1'000'000, false);
  }
  return true;
}

void Dispatchers::ParkHere() {
  Dispatcher& here = Here();
  if (here.vector_owner) {
    StoreVectorState(here.vector_owner);
    here.vector_owner = nullptr;
  }
  if (here.current_ != here.idle_thread_) {  // its thread may go on elsewhere
    Thread* previous = here.current_;
    here.Account(*previous);
    here.current_ = here.idle_thread_;
    SwitchStacks(previous, here.idle_thread_);
    Here().AfterSwitch();
    return;
  }
  while (Timer* timer = here.timers_.PopFirst()) {
    first.timers_.Arm(timer, timer->deadline_ns);
  }
  taken &= ~(1ull << here.cpu_);
  here.page_ = nullptr;
  --running;
  monitor.Leave();
  kernel::Park();
  __builtin_trap();
}

void Dispatchers::ForgetOthers() {
  abi::DispatcherPage* page = kernel::Page();
  page->scratch[0] = reinterpret_cast<std::uint64_t>(&first);
  page->stack = DispatcherStackTop();
  if (end > 1) {
    for (std::uint32_t index = 1; index < end; ++index) {
      Discard(all[index]);
    }
    // Its stack may be in use in the other copy.
    DestroyThread(first.idle_thread_);
    first.idle_thread_ = nullptr;
    end = running = 1;
    stopping_ = false;
    monitor.Unshare();
  }
  taken = 1ull << page->cpu;
}

}  // namespace k42::personality
