// The thread scheduler of one dispatcher, and its events.
//
// Inside the personality threads are cooperative: a switch happens in Block, Yield and Exit only,
// so nothing here needs a lock (first version: one dispatcher per process; what is per dispatcher
// is already in this class). In program code threads are preempted by the kernel's timer event.
//
// States of a thread: running (current_), ready (in ready_), blocked. A blocked thread is made
// ready exactly once per Block, by Wakeup; later Wakeups find it not blocked and do nothing.
#pragma once

#include <cstdint>

#include "user/linux/thread.h"
#include "user/linux/tickets.h"
#include "user/linux/timer_queue.h"

namespace k42::personality {

class Dispatcher {
 public:
  void Start(Thread* first);

  Thread& current() { return *current_; }
  Tickets& tickets() { return tickets_; }
  TimerQueue& timers() { return timers_; }

  void MakeReady(Thread* thread);
  // Waits until Wakeup, the deadline (0: none), or, if interruptible, a signal to deliver.
  Wake Block(std::uint64_t deadline_ns, bool interruptible);
  void Wakeup(Thread* thread, Wake reason);
  // Wakes it if it waits interruptibly: a signal has arrived, or its task ends.
  void Interrupt(Thread* thread);
  // Lets the other ready threads run first.
  void Yield();
  // The current thread is gone: never returns. Its memory is freed by whoever runs next.
  [[noreturn]] void Exit();

  // Takes what the kernel has posted: timers, tickets, signals, completed faults.
  void TakeEvents();
  // A time slice is over and another thread is ready.
  bool ShouldYield() const { return slice_over_ && !ready_.empty(); }
  // Asks the kernel for the next timer event this dispatcher needs.
  void ProgramTimer();

  // On whose behalf the kernel is asked from now on: the task of the thread that runs, always.
  // Tasks that share the memory (vfork) have parent, group, credentials and children of their own.
  void ActFor(const Task& task);

  // In a forked child: `survivor` is the only thread.
  void KeepOnly(Thread* survivor);

  // Whose vector registers and FS base the processor holds.
  Thread* vector_owner = nullptr;
  Thread* fs_owner = nullptr;

 private:
  void SwitchToNext();
  void FreeZombie();

  List<Thread, &Thread::run_link> ready_;
  Thread* current_ = nullptr;
  Thread* zombie_ = nullptr;
  std::int32_t acting_ = 0;  // the kernel knows us as this task
  Tickets tickets_;
  TimerQueue timers_;
  std::uint64_t programmed_ns_ = 0;
  std::uint64_t slice_end_ns_ = 0;
  bool slice_over_ = false;
};

// The dispatcher this code runs on.
Dispatcher& Here();

// The current thread.
inline Thread& Self() {
  return Here().current();
}

// A ticket for a scope: taken, and released (cancelled first if the kernel may hold it).
class ScopedTicket final : public TicketUser {
 public:
  ScopedTicket();
  ~ScopedTicket();
  ScopedTicket(const ScopedTicket&) = delete;
  ScopedTicket& operator=(const ScopedTicket&) = delete;

  bool valid() const { return ticket_ != kNoTicket; }
  std::uint32_t number() const { return ticket_; }
  bool fired() const { return fired_; }
  // The kernel has it now (the call that was given it said kPending or kWouldBlock).
  void SetArmed() { armed_ = true; }
  // kEvent: it fired; kTimeout, kSignal: it was cancelled and will not fire. Precondition:
  // SetArmed.
  Wake Wait(std::uint64_t deadline_ns, bool interruptible);
  void TicketFired(std::uint32_t ticket) override;

 private:
  Thread* thread_;
  std::uint32_t ticket_;
  bool armed_ = false;
  bool fired_ = false;
};

}  // namespace k42::personality
