#include "scheduler.h"

#include "base/assert.h"
#include "cpu_state.h"
#include "instructions.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/kernel_layout.h"
#include "machine/log.h"
#include "machine/stepped_range.h"
#include "machine/user_mode.h"
#include "platform/contract/thread_context.h"
#include "platform/contract/trace_hook.h"
#include "segments.h"
#include "stepping.h"
#include "thread_stack.h"

extern "C" {
void SwitchStacks(std::uint64_t* save_rsp, std::uint64_t new_rsp);
[[noreturn]] void RunOnStack(std::uint64_t rsp, void (*function)());
[[noreturn]] void EnterUserFrame(const k42::machine::TrapFrame* frame, std::uint64_t user_fs,
                                 std::uint64_t user_gs);
extern char boot_stack_bottom[], boot_stack_top[];
}

namespace k42::machine {
namespace {

constinit CpuState cpu_states[kMaxCpus];
alignas(Thread) constinit unsigned char boot_thread_memory[sizeof(Thread)] = {};

}  // namespace

constinit std::atomic<TraceHook> trace_hook{nullptr};

constinit UserHooks Scheduler::user_hooks_;
constinit ActivityHooks Scheduler::activity_hooks_;

CpuState& StateOf(CpuId cpu) {
  return cpu_states[cpu];
}

void SetUserHooks(const UserHooks& hooks) {
  Scheduler::user_hooks_ = hooks;
}
void SetActivityHooks(const ActivityHooks& hooks) {
  Scheduler::activity_hooks_ = hooks;
}

void Scheduler::AdoptBootThread() {
  auto* thread = new (boot_thread_memory) Thread;
  thread->name_ = "boot";
  thread->stack_bottom_ = reinterpret_cast<std::uint64_t>(boot_stack_bottom);
  thread->stack_top_ = reinterpret_cast<std::uint64_t>(boot_stack_top);
  ThisCpuArea()->current = thread;
}

Thread* Scheduler::BootThread() {
  return std::launder(reinterpret_cast<Thread*>(boot_thread_memory));
}

Status Scheduler::PrepareCpu(CpuId cpu) {
  for (int i = 0; i < 2; ++i) {
    const Result<Thread*> thread = NewThread(
        "pool", [](void*) { RunLoop(); }, nullptr, cpu, true);
    if (!thread.ok()) {
      return thread.status();
    }
    thread.value()->next_ = StateOf(cpu).idle_pool;
    StateOf(cpu).idle_pool = thread.value();
  }
  return Status::kOk;
}

std::uint64_t Scheduler::LoopStackTop(CpuId cpu) {
  return StateOf(cpu).idle_pool->stack_top_;
}

void Scheduler::EnterLoop() {
  Thread* self = ThisCpuState().idle_pool;
  ThisCpuState().idle_pool = self->next_;
  ThisCpuArea()->current = self;
  SetTrapStack(self->stack_top_);
  RunLoop();
}

void Scheduler::MakeReady(Thread* thread) {
  TraceEvent(PlatformEvent::kThreadWake, thread->id_, thread->cpu_);
  CpuState& cpu = ThisCpuState();
  thread->next_ = nullptr;
  (cpu.ready_first == nullptr ? cpu.ready_first : cpu.ready_last->next_) = thread;
  cpu.ready_last = thread;
}

Thread* Scheduler::PickNext() {
  CpuState& cpu = ThisCpuState();
  Thread* next;
  if (cpu.ready_first != nullptr && !(HasInterruptWork() && cpu.idle_pool != nullptr)) {
    next = cpu.ready_first;
    cpu.ready_first = next->next_;
  } else {
    next = cpu.idle_pool;
    K42_ASSERT(next != nullptr, "a pool thread leaves the loop only while a spare one is parked");
    cpu.idle_pool = next->next_;
  }
  next->next_ = nullptr;
  return next;
}

void Scheduler::Switch() {
  CpuArea* area = ThisCpuArea();
  Thread* self = area->current;
  Thread* next = PickNext();
  if (next == self) {
    return;
  }
  TraceEvent(PlatformEvent::kThreadSwitch, self->id_, next->id_);
  area->current = next;
  SetTrapStack(next->stack_top_);
  SwitchStacks(&self->saved_rsp_, next->saved_rsp_);
  if (self->context_.space != nullptr) {
    user_hooks_.resume_space(self->context_.space);
  }
}

void Scheduler::RunInterruptWork() {
  CpuState& cpu = ThisCpuState();
  std::uint32_t work = 0;
  {
    const SteppedRange stepped;
    work = ThisCpuArea()->work.exchange(0, std::memory_order_acquire);
  }
  if ((work & kWorkTimer) != 0) {
    cpu.timers.RunDue();
  }
  if ((work & kWorkMessages) != 0) {
    const SteppedRange stepped;
    CpuMessage* taken = cpu.messages.TakeAll();
    if (cpu.batch == nullptr) {
      cpu.batch = taken;
    } else {
      CpuMessage* last = cpu.batch;
      while (last->next != nullptr) {
        last = last->next;
      }
      last->next = taken;
    }
  }
  // One by one: should a handler block, the CPU's next loop goes on with the rest.
  while (cpu.batch != nullptr) {
    CpuMessage* message = cpu.batch;
    cpu.batch = message->next;
    TraceEvent(PlatformEvent::kMessage, reinterpret_cast<std::uint64_t>(message->handler),
               reinterpret_cast<std::uint64_t>(message));
    message->handler(message);
  }
}

void Scheduler::EnsureSparePoolThread() {
  CpuState& cpu = ThisCpuState();
  if (cpu.idle_pool == nullptr) {
    const Result<Thread*> made = NewThread(
        "pool", [](void*) { RunLoop(); }, nullptr, CurrentCpu(), true);
    if (made.ok()) {
      made.value()->next_ = nullptr;
      cpu.idle_pool = made.value();
    }
  }
}

void Scheduler::ReapDead() {
  CpuState& cpu = ThisCpuState();
  while (cpu.dead != nullptr) {
    Thread* thread = cpu.dead;
    cpu.dead = thread->next_;
    FreeStack(thread->stack_bottom_);
  }
}

void Scheduler::RunLoop() {
  EnableInterrupts();
  for (;;) {
    CpuState& cpu = ThisCpuState();
    Activate();
    ReapDead();
    EnsureSparePoolThread();
    RunInterruptWork();
    DisableInterrupts();
    if (cpu.ready_first == nullptr && !HasInterruptWork() && cpu.idle_pool != nullptr &&
        user_hooks_.run_user != nullptr) {
      user_hooks_.run_user();  // comes back if there is nothing to run
      DisableInterrupts();
    }
    if (HasInterruptWork()) {
      EnableInterrupts();
      continue;
    }
    Deactivate();
    // Becoming inactive may have ended a grace period: what that sent must not wait for an
    // interrupt.
    if (HasInterruptWork()) {
      EnableInterrupts();
      continue;
    }
    if (cpu.ready_first != nullptr) {
      Thread* self = Thread::Current();
      self->next_ = cpu.idle_pool;
      cpu.idle_pool = self;
      Switch();
      EnableInterrupts();
      continue;
    }
    const std::uint64_t since = MonotonicNs();
    EnableInterruptsAndHalt();
    const std::uint64_t halted = MonotonicNs() - since;
    ThisCpuArea()->idle_ns += halted;
    TraceEvent(PlatformEvent::kIdle, halted, ThisCpuArea()->interrupts);
  }
}

// Apart from PrepareUserReturn, which mostly finds nothing of it. Interrupts off, before and after.
[[gnu::noinline]] void Scheduler::RunWhatWaits(TrapFrame* frame) {
  do {
    if (HasInterruptWork()) {
      Activate();
      EnableInterrupts();
      EnsureSparePoolThread();
      RunInterruptWork();
    } else {
      if (user_hooks_.owns_cpu != nullptr && !user_hooks_.owns_cpu()) {
        user_hooks_.before_user(frame);  // comes back only if the CPU is free for it
      }
      EnableInterrupts();
      Thread::Yield();
    }
    DisableInterrupts();
  } while (HasInterruptWork() || HasReady());
}

[[gnu::noinline]] void Scheduler::PrepareAgain(TrapFrame* frame) {
  Activate();
  PrepareUserReturn(frame);
}

void EnterUser(const TrapFrame& frame, std::uint64_t user_fs, std::uint64_t user_gs) {
  DisableInterrupts();
  Scheduler::Deactivate();
  if constexpr (kDebugChecks) {
    TrapFrame stepped = frame;
    StepUser(&stepped);
    EnterUserFrame(&stepped, user_fs, user_gs);
  }
  EnterUserFrame(&frame, user_fs, user_gs);
}

void ReturnToLoop() {
  DisableInterrupts();
  K42_ASSERT(Thread::Current()->is_pool_, "only pool threads have a loop to return to");
  RunOnStack(ThisCpuArea()->kernel_stack_top, [] { Scheduler::RunLoop(); });
}

bool Scheduler::IsStackGuard(std::uint64_t address) {
  return address >= kStackAreaBase && address < kStackAreaEnd &&
         address % kStackSlotSize < kStackSlotSize - kStackSize;
}

}  // namespace k42::machine
