#include "user/linux/signals.h"

#include "user/linux/abi_errno.h"
#include "user/linux/dispatcher.h"
#include "user/linux/end.h"
#include "user/linux/kernel.h"
#include "user/linux/log.h"
#include "user/linux/monitor.h"
#include "user/linux/signal_fd.h"
#include "user/linux/task.h"
#include "user/linux/user_memory.h"

namespace k42::personality {
namespace {

// What may be given to the thread, whatever becomes of it.
SignalSet TakenBy(const Thread& thread) {
  return ~thread.signals.mask | thread.signals.waits_for | kUnblockable;
}

SignalSet WantedBy(Thread& thread) {
  const SignalSet pending = thread.signals.pending.set() | thread.task->pending.set();
  SignalSet result = TakenBy(thread) & pending;
  for (SignalSet rest = result & ~thread.signals.waits_for; !rest.empty();) {
    const int signal = rest.First();
    rest.Remove(signal);
    if (thread.task->actions->Ignores(signal)) {
      result.Remove(signal);
    }
  }
  return result;
}

// Whether posting it now would have no effect at all.
bool Pointless(Task& task, Thread* thread, int signal) {
  if (signal == kSIGKILL || signal == kSIGSTOP || !task.actions->Ignores(signal)) {
    return false;
  }
  // A blocked signal waits even if ignored now: the program may change its mind.
  if (thread) {
    return !thread->signals.mask.Has(signal);
  }
  for (Thread* each = task.threads.first(); each; each = task.threads.Next(each)) {
    if (each->signals.mask.Has(signal)) {
      return false;
    }
  }
  return true;
}

// Stop signals and SIGCONT cancel each other while pending.
void DropOpposites(PendingSignals& pending, int signal) {
  constexpr SignalSet kStops(1ull << (kSIGSTOP - 1) | 1ull << (kSIGTSTP - 1) |
                             1ull << (kSIGTTIN - 1) | 1ull << (kSIGTTOU - 1));
  if (signal == kSIGCONT) {
    pending.Drop(kStops);
  } else if (kStops.Has(signal)) {
    pending.Drop(SignalSet::Of(kSIGCONT));
  }
}

LinuxSigInfo FromKernel(const proc::SignalInfo& from) {
  LinuxSigInfo info{};
  info.signo = static_cast<std::int32_t>(from.signal);
  info.code = from.code;
  if (info.signo == kSIGCHLD && from.code > 0) {
    info.child.pid = static_cast<std::int32_t>(from.sender);
    info.child.uid = from.sender_user;
    info.child.status = static_cast<std::int32_t>(from.status);
  } else {
    info.sender.pid = static_cast<std::int32_t>(from.sender);
    info.sender.uid = from.sender_user;
    info.sender.value = from.value;
  }
  return info;
}

[[noreturn]] void Die(Thread& thread, int signal) {
  const bool core = DefaultActionOf(signal) == DefaultAction::kCore;
  EndTask(*thread.task, static_cast<std::uint32_t>(signal) | (core ? 0x80u : 0u));
  EndThread(thread);
}

// What becomes of an interrupted call. `restart`: run it again.
void FinishCall(Thread& thread, const LinuxSignalAction* action) {
  if (thread.system_call < 0) {
    return;
  }
  const auto result = static_cast<std::int64_t>(thread.regs.rax);
  thread.system_call = -1;
  if (!WantsRestart(result)) {
    return;
  }
  const bool again = !action || result == -kERESTARTNOINTR ||
                     (result == -kERESTARTSYS && (action->flags & kSaRestart) != 0);
  if (again) {
    thread.regs.rax = thread.first_argument_rax;
    thread.regs.rip -= 2;  // the syscall instruction
  } else {
    thread.regs.rax = static_cast<std::uint64_t>(-std::int64_t{kEINTR});
  }
}

// Starts the handler. Returns whether the frame could be made.
bool StartHandler(Thread& thread, const LinuxSigInfo& info) {
  LinuxSignalAction& entry = thread.task->actions->For(info.signo);
  const LinuxSignalAction action = entry;
  FinishCall(thread, &action);
  thread.kept_deadline_ns = 0;
  if (action.flags & kSaResetHand) {
    entry.handler = kSigDefault;
  }
  if (!PushSignalFrame(thread, info, action)) {
    return false;
  }
  SignalSet mask = thread.signals.mask | SignalSet(action.mask);
  if (!(action.flags & kSaNoDefer)) {
    mask.Add(info.signo);
  }
  SetSignalMask(thread, mask);
  return true;
}

// What waits for the task, and the thread, which may have been told of it, does not take any more.
void LeaveToOthers(Thread& thread) {
  Task& task = *thread.task;
  const SignalSet left = task.pending.set() & thread.signals.mask;
  for (Thread* other = left.empty() ? nullptr : task.threads.first(); other;
       other = task.threads.Next(other)) {
    if (other != &thread && !(left & TakenBy(*other)).empty()) {
      Dispatcher::Interrupt(other);
    }
  }
}

}  // namespace

void HandOnSignals(Task& task) {
  const SignalSet left = task.pending.set();
  for (Thread* other = left.empty() ? nullptr : task.threads.first(); other;
       other = task.threads.Next(other)) {
    if (!(left & TakenBy(*other)).empty()) {
      Dispatcher::Interrupt(other);
    }
  }
}

bool HasSignalToDeliver(Thread& thread) {
  return thread.exit_requested || thread.task->exiting || !WantedBy(thread).empty();
}

void PostToTask(Task& task, const LinuxSigInfo& info) {
  DropOpposites(task.pending, info.signo);
  if (task.exiting || Pointless(task, nullptr, info.signo)) {
    return;
  }
  (void)task.pending.Post(info);
  SignalArrived(task);
  // Who is here takes it on its way out; else one that waits is woken; else one that runs its
  // program on another processor looks. Who is ready will.
  Thread* best = nullptr;
  for (Thread* thread = task.threads.first(); thread; thread = task.threads.Next(thread)) {
    if (!TakenBy(*thread).Has(info.signo)) {
      continue;
    }
    if (thread == &Self() && !thread->blocked) {
      return;
    }
    const bool waits = thread->blocked && thread->interruptible;
    if (!best || (waits && !best->blocked)) {
      best = waits || !thread->blocked ? thread : best;
    }
  }
  if (best) {
    Dispatcher::Interrupt(best);
  }
}

void PostToThread(Thread& thread, const LinuxSigInfo& info) {
  DropOpposites(thread.signals.pending, info.signo);
  if (Pointless(*thread.task, &thread, info.signo)) {
    return;
  }
  (void)thread.signals.pending.Post(info);
  SignalArrived(*thread.task);
  if (!WantedBy(thread).empty()) {
    Here().Interrupt(&thread);
  }
}

void RaiseSignal(Thread& thread, int signal) {
  LinuxSigInfo info{};
  info.signo = signal;
  info.code = kSiUser;
  info.sender.pid = thread.task->pid;
  PostToThread(thread, info);
}

void ForceSignal(Thread& thread, const LinuxSigInfo& info) {
  LinuxSignalAction& action = thread.task->actions->For(info.signo);
  const bool blocked = thread.signals.mask.Has(info.signo);
  if (blocked || action.handler == kSigIgnore) {
    action.handler = kSigDefault;
    thread.signals.mask.Remove(info.signo);
  }
  thread.signals.pending.Drop(SignalSet::Of(info.signo));
  (void)thread.signals.pending.Post(info);
}

bool HasChildOptions(Task& task) {
  const LinuxSignalAction& action = task.actions->For(kSIGCHLD);
  return action.handler == kSigIgnore || (action.flags & (kSaNoChildWait | kSaNoChildStop)) != 0;
}

void SetChildOptions(Task& task) {
  const LinuxSignalAction& action = task.actions->For(kSIGCHLD);
  const auto number = static_cast<std::uint32_t>(task.pid);
  const bool reap = action.handler == kSigIgnore || (action.flags & kSaNoChildWait) != 0;
  (void)kernel::SetOption(number, proc::TaskOption::kReapChildren, reap);
  (void)kernel::SetOption(number, proc::TaskOption::kNoStopNotice,
                          (action.flags & kSaNoChildStop) != 0);
}

void TakeKernelSignals() {
  for (Task* task = Tasks().first(); task; task = Tasks().Next(task)) {
    proc::SignalInfo from{};
    while (kernel::TakeSignal(static_cast<std::uint32_t>(task->pid), &from) == Status::kOk) {
      const LinuxSigInfo info = FromKernel(from);
      Thread* thread =
          from.thread != 0 ? FindThread(static_cast<std::int32_t>(from.thread)) : nullptr;
      if (thread) {
        PostToThread(*thread, info);
      } else if (from.thread == 0) {
        PostToTask(*task, info);
      }
    }
  }
}

void DeliverSignals(Thread& thread) {
  Task& task = *thread.task;
  if (thread.signals.pending.set().empty() && task.pending.set().empty() &&
      !thread.signals.restore_saved_mask) {
    FinishCall(thread, nullptr);
    return;
  }
  bool handled = false;
  for (;;) {
    const SignalSet allowed = ~thread.signals.mask | kUnblockable;
    LinuxSigInfo info;
    if (!thread.signals.pending.Take(allowed, &info) && !task.pending.Take(allowed, &info)) {
      break;
    }
    const LinuxSignalAction& action = task.actions->For(info.signo);
    if (action.handler == kSigIgnore) {
      continue;
    }
    if (action.handler != kSigDefault) {
      handled = true;
      if (!StartHandler(thread, info)) {
        Die(thread, kSIGSEGV);
      }
      continue;
    }
    switch (DefaultActionOf(info.signo)) {
      case DefaultAction::kIgnore:
      case DefaultAction::kContinue:
        break;
      case DefaultAction::kStop:
        kernel::Stop(static_cast<std::uint32_t>(task.pid), static_cast<std::uint32_t>(info.signo));
        Here().TakeEvents();
        break;
      case DefaultAction::kTerminate:
      case DefaultAction::kCore:
        Die(thread, info.signo);
    }
  }
  FinishCall(thread, nullptr);
  if (!handled) {
    EndTemporaryMask(thread);
  }
}

void SetSignalMask(Thread& thread, SignalSet mask) {
  thread.signals.mask = mask & ~kUnblockable;
  if (monitor.shared()) {
    LeaveToOthers(thread);
  }
}

std::int64_t UseTemporaryMask(Thread& thread, std::uint64_t mask_address, std::uint64_t size) {
  if (mask_address == 0) {
    return 0;
  }
  std::uint64_t bits = 0;
  if (size != sizeof(bits)) {
    return -kEINVAL;
  }
  if (!ReadUser(&bits, mask_address)) {
    return -kEFAULT;
  }
  thread.signals.saved_mask = thread.signals.mask;
  thread.signals.restore_saved_mask = true;
  SetSignalMask(thread, SignalSet(bits));
  return 0;
}

void EndTemporaryMask(Thread& thread) {
  if (thread.signals.restore_saved_mask) {
    thread.signals.restore_saved_mask = false;
    SetSignalMask(thread, thread.signals.saved_mask);
  }
}

}  // namespace k42::personality
