// Scheduler's side of the debug console: finding threads without their help.
#include "backtrace.h"
#include "cpu_state.h"
#include "machine/cpu.h"
#include "machine/kernel_layout.h"
#include "scheduler.h"
#include "thread_stack.h"

namespace k42::machine {

Scheduler::ThreadView Scheduler::ViewOf(Thread* thread) {
  ThreadView view{thread, "blocked", thread->active_, 0, 0};
  if (AreaOf(thread->cpu_)->current == thread) {
    view.state = "runs";
    return view;
  }
  const CpuState& cpu = StateOf(thread->cpu_);
  constexpr int kMost = 100'000;  // a list that runs in a circle ends
  int seen = 0;
  for (const Thread* one = cpu.ready_first; one != nullptr && seen < kMost; ++seen) {
    view.state = one == thread ? "ready" : view.state;
    one = one->next_;
  }
  for (const Thread* one = cpu.idle_pool; one != nullptr && seen < kMost; ++seen) {
    view.state = one == thread ? "parked" : view.state;
    one = one->next_;
  }
  // What SwitchStacks pushed: r15 .. rbx, rbp, and the return address.
  const std::uint64_t rsp = thread->saved_rsp_;
  if (CanRead(rsp + 40) && CanRead(rsp + 48)) {
    view.rbp = *reinterpret_cast<const std::uint64_t*>(rsp + 40);
    view.rip = *reinterpret_cast<const std::uint64_t*>(rsp + 48);
  }
  return view;
}

void Scheduler::ForEachThread(FunctionRef<void(const ThreadView&)> visit) {
  Thread* boot = BootThread();
  if (boot->stack_top_ != 0) {
    visit(ViewOf(boot));
  }
  constexpr std::uint64_t kThreadSize = (sizeof(Thread) + 63) & ~63ull;
  for (std::uint64_t slot = kStackAreaBase; slot < StackAreaUsed(); slot += kStackSlotSize) {
    const std::uint64_t at = slot + kStackSlotSize - kThreadSize;
    auto* thread = reinterpret_cast<Thread*>(at);
    if (CanRead(at & ~7ull) && thread->stack_top_ == at) {
      visit(ViewOf(thread));
    }
  }
}

}  // namespace k42::machine
