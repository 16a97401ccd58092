#include "machine/thread.h"

#include <atomic>
#include <new>

#include "base/assert.h"
#include "cpu_state.h"
#include "instructions.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/kernel_layout.h"
#include "machine/log.h"
#include "machine/spin_lock.h"
#include "machine/stepped_range.h"
#include "scheduler.h"
#include "thread_stack.h"

namespace k42::machine {
namespace {

constinit std::atomic<std::uint64_t> last_id{0};

struct MakeReadyMessage : CpuMessage {
  Thread* thread;
};

}  // namespace

// A Thread lies at the top of its own stack area: no allocation besides the stack. The memory is
// never unmapped, so an Unblock that comes too late gives a stray token at worst.
Result<Thread*> Scheduler::NewThread(const char* name, Thread::Entry entry, void* argument,
                                     CpuId cpu, bool is_pool) {
  const Result<std::uint64_t> bottom = AllocateStack();
  if (!bottom.ok()) {
    return bottom.status();
  }
  constexpr std::uint64_t kThreadSize = (sizeof(Thread) + 63) & ~63ull;
  const std::uint64_t top = bottom.value() + kStackSize - kThreadSize;
  auto* thread = new (reinterpret_cast<void*>(top)) Thread;
  thread->name_ = name;
  thread->id_ = last_id.fetch_add(1, std::memory_order_relaxed) + 1;
  thread->entry_ = entry;
  thread->argument_ = argument;
  thread->cpu_ = cpu;
  thread->is_pool_ = is_pool;
  thread->stack_bottom_ = bottom.value();
  thread->stack_top_ = top;
  // What SwitchStacks pops: six registers (rbp = 0 ends backtraces), then StartThread's address.
  auto* frame = reinterpret_cast<std::uint64_t*>(top) - 8;
  for (int i = 0; i < 8; ++i) {
    frame[i] = 0;
  }
  frame[6] = reinterpret_cast<std::uint64_t>(&Scheduler::StartThread);
  thread->saved_rsp_ = reinterpret_cast<std::uint64_t>(frame);
  return thread;
}

void Scheduler::StartThread() {
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
  asm(".cfi_undefined rip");  // for debuggers: nobody is behind it
#endif
  EnableInterrupts();
  Thread* thread = Thread::Current();
  if (!thread->is_pool_) {
    Activate();
  }
  thread->entry_(thread->argument_);
  Thread::Exit();
}

Result<Thread*> Thread::Create(const char* name, Entry entry, void* argument, CpuId cpu) {
  if (cpu >= CpuCount()) {
    return Status::kInvalidArgument;
  }
  const Result<Thread*> made = Scheduler::NewThread(name, entry, argument, cpu, false);
  if (made.ok()) {
    Thread* thread = made.value();
    thread->wake_.StartBlocked();
    thread->Unblock();
  }
  return made;
}

void Thread::Block() {
  K42_ASSERT(InterruptsEnabled() && SpinLocksHeld() == 0, "nothing is held while blocking");
  Thread* self = Current();
  bool blocked = false;
  {
    const SteppedRange stepped;
    DisableInterrupts();
    blocked = self->wake_.Block();
  }
  if (blocked) {
    Scheduler::Switch();
  }
  EnableInterrupts();
}

void Thread::BlockExternal() {
  Scheduler::Deactivate();
  Block();
  Scheduler::Activate();
}

void Thread::BecomeActive() {
  Scheduler::Activate();
}

void Thread::OnWakeMessage(CpuMessage* message) {
  const auto offset =
      reinterpret_cast<std::uint64_t>(&static_cast<Thread*>(nullptr)->wake_message_);
  auto* thread = reinterpret_cast<Thread*>(reinterpret_cast<std::uint64_t>(message) - offset);
  InterruptsOff guard;
  Scheduler::MakeReady(thread);
}

void Thread::Unblock() {
  const SteppedRange stepped;
  if (!wake_.Give()) {
    return;
  }
  if (cpu_ == CurrentCpu()) {
    InterruptsOff guard;
    Scheduler::MakeReady(this);
  } else {
    wake_message_.handler = &OnWakeMessage;
    Send(cpu_, &wake_message_);
  }
}

void Thread::Yield() {
  K42_ASSERT(InterruptsEnabled() && SpinLocksHeld() == 0, "nothing is held while yielding");
  DisableInterrupts();
  Scheduler::MakeReady(Current());
  Scheduler::Switch();
  EnableInterrupts();
}

void Thread::PreemptionPoint() {
  if (Scheduler::HasInterruptWork() || Scheduler::HasReady()) {
    Yield();
  }
}

void Thread::Exit() {
  K42_ASSERT(SpinLocksHeld() == 0, "a thread exits without locks");
  Scheduler::Deactivate();
  DisableInterrupts();
  Thread* self = Current();
  self->stack_top_ = 0;  // how the debug console knows
  CpuState& cpu = ThisCpuState();
  self->next_ = cpu.dead;
  cpu.dead = self;
  Scheduler::Switch();
  __builtin_unreachable();
}

}  // namespace k42::machine
