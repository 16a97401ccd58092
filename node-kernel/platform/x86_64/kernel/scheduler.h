// The CPU's side of kernel threads: the run queue, the switch, and the CPU loop on pool threads.
//
// Every CPU has a pool of equal threads, of which at any time one, the one that happens to be
// running, is the CPU's loop: interrupt work first, then ready threads, then user space, else halt.
// A pool thread enters user mode from the loop; the trap back runs on its stack from the top. If
// kernel code on behalf of user space blocks, that pool thread keeps its stack and waits; another
// takes the loop over. So a pool thread leaves the loop only while a spare one is parked.
//
// Whoever gives up the CPU (Switch) hands it to: a parked pool thread if there is interrupt work,
// else the first ready thread, else a parked pool thread. Run queue and switch: interrupts off.
#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "base/result.h"
#include "cpu_state.h"
#include "machine/cpu_area.h"
#include "machine/interrupts.h"
#include "machine/thread.h"
#include "platform/contract/user_hooks.h"
#include "stepping.h"

namespace k42::machine {

struct TrapFrame;

class Scheduler {
 public:
  // The boot thread: what runs the start list, on the boot stack.
  static void AdoptBootThread();
  // Two pool threads for a CPU whose area is mapped, parked.
  static Status PrepareCpu(CpuId cpu);
  // Becomes the CPU's loop for good: application processors, after their setup. The caller runs on
  // the stack of the pool thread that TakeLoopThread named.
  static std::uint64_t LoopStackTop(CpuId cpu);
  [[noreturn]] static void EnterLoop();

  // Interrupts off: `thread` of this CPU will run.
  static void MakeReady(Thread* thread);
  // Interrupts off: gives up the CPU; returns, interrupts still off, when this thread runs again.
  static void Switch();
  static bool HasReady() { return ThisCpuState().ready_first != nullptr; }
  static bool HasInterruptWork() {
    return ThisCpuArea()->work.load(std::memory_order_relaxed) != 0 ||
           ThisCpuState().batch != nullptr;
  }
  static void RunInterruptWork();

  // End of every trap from user space; returns with interrupts off, ready for trap_return. Inline,
  // like what else every call of user space passes through.
  static void PrepareUserReturn(TrapFrame* frame) {
    DisableInterrupts();
    if (HasInterruptWork() || HasReady()) [[unlikely]]
      RunWhatWaits(frame);
    user_hooks_.before_user(frame);
    if (Thread::Current()->active_) {
      Deactivate();
      if (HasInterruptWork()) [[unlikely]]  // becoming inactive may have ended a grace period
        return PrepareAgain(frame);
    }
    if constexpr (kDebugChecks)
      StepUser(frame);
  }

  // The calling thread becomes active, or inactive, if it is not.
  static void Activate() {
    Thread* self = Thread::Current();
    if (!self->active_) {
      self->active_ = true;
      activity_hooks_.activate(self->context_);
    }
  }
  static void Deactivate() {
    Thread* self = Thread::Current();
    if (self->active_) {
      self->active_ = false;
      activity_hooks_.deactivate(self->context_);
    }
  }
  static const UserHooks& hooks() { return user_hooks_; }

  static Result<Thread*> NewThread(const char* name, Thread::Entry entry, void* argument, CpuId cpu,
                                   bool is_pool);
  static bool IsStackGuard(std::uint64_t address);

  // For the debug console, while all CPUs stand still: every thread, and where it goes on.
  struct ThreadView {
    Thread* thread;
    const char* state;  // "runs", "ready", "parked", "blocked"
    bool active;
    std::uint64_t rip, rbp;  // of one that does not run
  };
  static void ForEachThread(FunctionRef<void(const ThreadView&)> visit);

 private:
  [[noreturn]] static void RunLoop();
  static void RunWhatWaits(TrapFrame* frame);
  static void PrepareAgain(TrapFrame* frame);
  static void EnsureSparePoolThread();
  static void ReapDead();
  static Thread* PickNext();
  static void StartThread();
  static void Park(Thread* thread);
  static ThreadView ViewOf(Thread* thread);
  static Thread* BootThread();
  friend class Thread;
  friend void ReturnToLoop();
  friend void SetUserHooks(const UserHooks& hooks);
  friend void SetActivityHooks(const ActivityHooks& hooks);

  static UserHooks user_hooks_;
  static ActivityHooks activity_hooks_;
};

}  // namespace k42::machine
