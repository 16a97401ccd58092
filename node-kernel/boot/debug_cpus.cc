#include "backtrace.h"
#include "boot/debug_commands.h"
#include "boot/debug_print.h"
#include "cpu_activity.h"
#include "cpu_state.h"
#include "lock_waits.h"
#include "machine/answer_wait.h"
#include "machine/cpu.h"
#include "scheduler.h"

namespace k42::boot {
namespace {

using machine::CpuId;
using machine::StackFrame;

// This CPU's picture is of the NMI that brought it here, unless that came in another way.
machine::CpuActivity Activity(CpuId cpu, const machine::TrapFrame& here) {
  machine::CpuActivity activity = machine::ActivityOf(cpu);
  if (cpu == machine::CurrentCpu()) {
    activity.picture.frame = here;
  }
  return activity;
}

void PrintChain(std::uint64_t rip, std::uint64_t rbp) {
  constexpr unsigned kMost = 40;
  machine::WalkStack(rip, rbp, kMost, [](const StackFrame& frame) {
    DebugPrint("    {} {x16} {}+{x}\n", frame.is_call ? "from" : "at  ", frame.address,
               frame.at.name, frame.at.offset);
  });
}

void PrintThread(const machine::Scheduler::ThreadView& view) {
  DebugPrint("  {5} cpu {2} {7} {8} {12} ", view.thread->id(), view.thread->cpu(), view.state,
             view.active ? "active" : "", view.thread->name());
  // Past the switch itself: who gave the CPU up, and for whom.
  unsigned at = 0;
  machine::WalkStack(view.rip, view.rbp, 6, [&](const StackFrame& frame) {
    if (at++ != 0 && !frame.at.name.starts_with("k42::machine::Thread::") &&
        !frame.at.name.starts_with("k42::machine::Scheduler::")) {
      DebugPrint("{} < ", frame.at.name);
    }
  });
  DebugPrint("\n");
}

}  // namespace

void ShowCpus(const machine::TrapFrame& here) {
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    const machine::CpuActivity activity = Activity(cpu, here);
    const machine::CpuArea* area = machine::AreaOf(cpu);
    const machine::SymbolAt at = machine::FindSymbol(activity.picture.frame.rip);
    DebugPrint("  cpu {2} {}, thread {} ({}) at {}+{x}\n", cpu, activity.state,
               activity.thread != nullptr ? activity.thread->name() : "(none)",
               activity.thread != nullptr ? activity.thread->id() : 0, at.name, at.offset);
    DebugPrint("         {} spin locks, {} interrupts, idle {} ms, {}messages wait, {}ready\n",
               area->spin_locks_held, area->interrupts, area->idle_ns / 1'000'000,
               machine::StateOf(cpu).messages.empty() ? "no " : "",
               machine::StateOf(cpu).ready_first == nullptr ? "nobody " : "threads ");
    if (const void* lock = machine::detail::LockWaitedFor(cpu)) {
      DebugPrint("         waits for the spin lock at {}\n", lock);
    }
  }
}

void ShowCpu(std::string_view word, const machine::TrapFrame& here) {
  const std::uint64_t number = DebugNumber(word).value_or(machine::CurrentCpu());
  if (number >= machine::CpuCount()) {
    return DebugPrint("there are CPUs 0 to {}\n", machine::CpuCount() - 1);
  }
  const auto cpu = static_cast<CpuId>(number);
  const machine::CpuActivity activity = Activity(cpu, here);
  const machine::TrapFrame& f = activity.picture.frame;
  DebugPrint("  cpu {} {}\n", cpu, activity.state);
  DebugPrint("  rip {x16} rsp {x16} rbp {x16} rflags {x} cs {x}\n", f.rip, f.rsp, f.rbp, f.rflags,
             f.cs);
  DebugPrint("  rax {x16} rbx {x16} rcx {x16} rdx {x16}\n", f.rax, f.rbx, f.rcx, f.rdx);
  DebugPrint("  rsi {x16} rdi {x16} r8  {x16} r9  {x16}\n", f.rsi, f.rdi, f.r8, f.r9);
  DebugPrint("  r10 {x16} r11 {x16} r12 {x16} r13 {x16}\n", f.r10, f.r11, f.r12, f.r13);
  DebugPrint("  r14 {x16} r15 {x16}\n", f.r14, f.r15);
  if (!f.from_user()) {
    PrintChain(f.rip, f.rbp);
  }
}

void ShowWaits() {
  std::uint32_t count = 0;
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    const machine::AnswerWait* wait = machine::StateOf(cpu).waits;
    constexpr std::uint32_t kMost = 200;
    for (; wait != nullptr && machine::CanRead(reinterpret_cast<std::uint64_t>(wait)) &&
           count < kMost;
         wait = wait->next) {
      ++count;
      for (const CpuId silent : wait->silent(*wait)) {
        DebugPrint("  cpu {} waits for cpu {}, which {}\n", cpu, silent, wait->what);
      }
    }
  }
  DebugPrint("  {} waits\n", count);
}

void ShowThreads(std::string_view word) {
  const std::optional<std::uint64_t> cpu = DebugNumber(word);
  machine::Scheduler::ForEachThread([&](const machine::Scheduler::ThreadView& view) {
    if (!cpu.has_value() || *cpu == view.thread->cpu()) {
      PrintThread(view);
    }
  });
}

void ShowThread(std::string_view word, const machine::TrapFrame& here) {
  const std::optional<std::uint64_t> id = DebugNumber(word);
  machine::Scheduler::ForEachThread([&](const machine::Scheduler::ThreadView& view) {
    if (word != "all" && id != view.thread->id()) {
      return;
    }
    DebugPrint("  {5} cpu {2} {7} {8} {}\n", view.thread->id(), view.thread->cpu(), view.state,
               view.active ? "active" : "", view.thread->name());
    if (view.rip != 0) {
      return PrintChain(view.rip, view.rbp);
    }
    const machine::CpuActivity activity = Activity(view.thread->cpu(), here);
    if (!activity.picture.frame.from_user()) {
      PrintChain(activity.picture.frame.rip, activity.picture.frame.rbp);
    }
  });
}

}  // namespace k42::boot
