// The thread scheduler of one dispatcher, and its events. A process has one, and as many more as
// threads of it want to run at a time and it has processors (dispatchers.cc).
//
// Inside the personality threads are cooperative: a switch happens in Block, Yield, MoveTo and Exit
// only, and one dispatcher at a time is inside (monitor.h): so nothing here needs a lock. In
// program code threads are preempted by the kernel's timer event.
//
// States of a thread: running (current_ of one dispatcher), ready (in ready_ of one), blocked. A
// blocked thread is made ready exactly once per Block, by Wakeup; later Wakeups find it not blocked
// and do nothing. Thread::dispatcher says whose it is, or was last.
//
// A ready thread may be taken by another dispatcher, unless it is tied to its own (MayLeave): a
// dispatcher that idles does so on the stack of the thread that ran last; a thread's vector
// registers may still be in its processor; a fault that failed is told to the dispatcher it
// happened on. So no member of this class may be believed across a switch: the thread may be
// elsewhere. Here() is read anew.
#pragma once

#include <atomic>
#include <cstdint>

#include "user/linux/thread.h"
#include "user/linux/tickets.h"
#include "user/linux/timer_queue.h"

namespace k42::personality {

// On the stack of the thread that waits for a page: an id may be another fault's before this one's
// thread runs.
struct FaultWaiter {
  Thread* thread;
  bool waiting;
};

class Dispatcher {
 public:
  // The process's first one, with its first thread.
  void Start(Thread* first);

  Thread& current() { return *current_; }
  std::uint32_t index() const { return index_; }
  Tickets& tickets() { return tickets_; }
  TimerQueue& timers() { return timers_; }

  // The thread runs when it is its turn, on whichever dispatcher suits best.
  static void MakeReady(Thread* thread);
  // The same, on this one: the caller is about to wait for it.
  void MakeReadyHere(Thread* thread);
  // Waits until Wakeup, the deadline (0: none), or, if interruptible, a signal to deliver.
  static Wake Block(std::uint64_t deadline_ns, bool interruptible);
  static void Wakeup(Thread* thread, Wake reason);
  // A signal has arrived for it, or its task ends: if it waits interruptibly it is woken; if it
  // runs on another dispatcher, that looks.
  static void Interrupt(Thread* thread);
  // Lets the other ready threads of this dispatcher run first.
  void Yield();
  // The current thread goes on there.
  static void MoveTo(Dispatcher& to);
  // The current thread is gone: never returns. Its memory is freed by whoever runs next.
  [[noreturn]] void Exit();
  // First thing of a thread that another switched to.
  void AfterSwitch();

  // Takes what the kernel has posted: timers, tickets, signals, completed faults.
  void TakeEvents();
  // Outside the monitor: makes room for a notice. TakeEvents will find what was there.
  void PutEventsBy();
  // Whether there are events that TakeEvents has not seen.
  bool HasEventsPutBy() const { return (told_.load(std::memory_order_relaxed) & ~kNoticed) != 0; }
  // Whether the current thread should let others run: others of ours, its time slice being over, or
  // the kernel's (kEventPreempt).
  bool IsDue() const { return due_ != 0; }
  void LetOthersRun();
  // The thread, which runs here, is alone, its registers are in the processor, no time is waited
  // for.
  bool IsQuietFor(const Thread& thread) const {
    return (due_ | slice_end_ns_) == 0 && ready_.empty() && timers_.empty() &&
           vector_owner == &thread && fs_owner == &thread;
  }
  // Asks the kernel for the next timer event this dispatcher needs.
  void ProgramTimer();

  // Whether the thread may run here.
  bool Allows(const Thread& thread) const { return (thread.affinity >> cpu_ & 1) != 0; }

  // The CPU time the thread has used, to the moment.
  static std::uint64_t CpuNs(const Thread& thread);

  // On whose behalf the kernel is asked from now on: the task of the thread that runs, always.
  // Tasks that share the memory (vfork) have parent, group, credentials and children of their own.
  void ActFor(const Task& task);

  // In a forked child: `survivor` is the only thread, and the first dispatcher, which this must be,
  // the only dispatcher.
  void KeepOnly(Thread* survivor);

  // Whose vector registers and FS base the processor holds.
  Thread* vector_owner = nullptr;
  Thread* fs_owner = nullptr;

  FaultWaiter* fault_waiters[abi::kFaultIdCount] = {};
  char* trap_stack = nullptr;  // of a further one; the first has the image's

 private:
  friend class Dispatchers;

  void SwitchToNext();
  bool Idle();  // false: the thread whose stack this is runs again
  void EndSlice();
  void GiveWay();
  void PushReady(Thread* thread);
  void RemoveReady(Thread* thread);
  void FreeZombie();
  void Notice();
  void TakeCompletedFaults();
  bool MayLeave(const Thread& thread) const;
  void LetGo(Thread* thread);
  void Account(Thread& thread);

  List<Thread, &Thread::run_link> ready_;
  std::uint32_t ready_count_ = 0;
  std::uint32_t index_ = 0;
  std::uint32_t cpu_ = 0;
  abi::DispatcherPage* page_ = nullptr;
  Thread* current_ = nullptr;
  Thread* zombie_ = nullptr;
  Thread* idle_thread_ = nullptr;  // a stack to idle on when the last thread has left with its own
  std::int32_t acting_ = 0;        // the kernel knows us as this task
  // Events that were taken off the page outside the monitor, by itself; kNoticed: one who was
  // inside has notified it, and it will come and look.
  static constexpr std::uint32_t kNoticed = 1u << 31;
  std::atomic<std::uint32_t> told_{0};
  static constexpr std::uint32_t kSliceOver = 1, kGiveWay = 2;
  std::uint32_t due_ = 0;
  bool idles_ = false;  // it has nothing to do, and nobody has given it anything since
  TimerQueue timers_;
  std::uint64_t programmed_ns_ = 0;
  std::uint64_t slice_end_ns_ = 0;
  std::uint64_t accounted_ns_ = 0;  // of its CPU time: that of threads that have left
  Tickets tickets_;                 // large, of which little is touched: last
};

// The dispatcher this code runs on; after a switch it may be another.
inline Dispatcher& Here() {
  Dispatcher* here;
  // DispatcherPage::scratch[0].
  asm volatile("movq %%gs:40, %0" : "=r"(here));
  return *here;
}

// The current thread.
inline Thread& Self() {
  Thread* self;
  asm volatile("movq %%gs:24, %0" : "=r"(self));
  return *self;
}

// A ticket for a scope: taken, and released (cancelled first if the kernel may hold it).
inline constexpr struct Later {
} kLater;
class ScopedTicket final : public TicketUser {
 public:
  ScopedTicket() { (void)Take(); }
  explicit ScopedTicket(Later) {}  // by Take, if at all
  ~ScopedTicket() {
    if (valid()) {
      Release();
    }
  }
  ScopedTicket(const ScopedTicket&) = delete;
  ScopedTicket& operator=(const ScopedTicket&) = delete;

  // False: there is none to be had.
  bool Take();
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
  void Release();

  Thread* thread_ = nullptr;
  std::uint32_t ticket_ = kNoTicket;
  bool armed_ = false;
  bool fired_ = false;
};

}  // namespace k42::personality
