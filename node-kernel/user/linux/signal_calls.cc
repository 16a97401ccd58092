// The signal calls.
#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"
#include "user/linux/signals.h"
#include "user/linux/task_descriptor.h"

namespace k42::personality::calls {
namespace {

constexpr std::uint64_t kSetSize = 8;

LinuxSigInfo SenderInfo(Thread& thread, I32 signal, I32 code) {
  LinuxSigInfo info{};
  info.signo = signal;
  info.code = code;
  info.sender.pid = thread.task->pid;
  proc::Credential credential{};
  (void)kernel::GetCredential(&credential);
  info.sender.uid = credential.user;
  return info;
}

std::int64_t SendThrough(proc::Selector selector, std::uint32_t id, std::uint32_t target_thread,
                         const LinuxSigInfo& info) {
  proc::SignalRequest request{};
  request.selector = selector;
  request.id = id;
  request.thread = target_thread;
  request.info.signal = static_cast<std::uint32_t>(info.signo);
  request.info.code = info.code;
  request.info.thread = target_thread;
  request.info.value = info.sender.value;
  const Result<std::uint32_t> reached = kernel::Kill(request);
  if (!reached.ok()) {
    return reached.status() == Status::kPermissionDenied ? -kEPERM : ErrnoOf(reached.status());
  }
  // What was sent to ourselves is delivered before the call returns.
  Here().TakeEvents();
  return 0;
}

std::int64_t SendToThread(Thread& thread, I32 pid, I32 tid, const LinuxSigInfo& info) {
  Thread* target = FindThread(tid);
  if (target && (pid == 0 || target->task->pid == pid)) {
    if (info.signo != 0) {
      if (info.signo == kSIGKILL || info.signo == kSIGSTOP) {
        PostToTask(*target->task, info);
      } else {
        PostToThread(*target, info);
      }
    }
    return 0;
  }
  if (target) {
    return -kESRCH;
  }
  (void)thread;
  return pid == 0 ? SendThrough(proc::Selector::kThread, static_cast<U32>(tid),
                                static_cast<U32>(tid), info)
                  : SendThrough(proc::Selector::kTask, static_cast<U32>(pid), static_cast<U32>(tid),
                                info);
}

bool ValidNumber(I32 signal) {
  return signal >= 0 && signal <= kSignalCount;
}

}  // namespace

Reply SigAction(Thread& thread, I32 signal, Address action, Address old, U64 size) {
  if (size != kSetSize || !SignalSet::Valid(signal) ||
      (action != 0 && (signal == kSIGKILL || signal == kSIGSTOP))) {
    return -kEINVAL;
  }
  LinuxSignalAction next;
  if (action != 0 && !ReadUser(&next, action)) {
    return -kEFAULT;
  }
  LinuxSignalAction& entry = thread.task->actions->For(signal);
  const LinuxSignalAction previous = entry;
  if (action != 0) {
    next.mask &= ~kUnblockable.bits();
    entry = next;
    if (thread.task->actions->Ignores(signal)) {  // what waits is dropped, as POSIX asks
      thread.task->pending.Drop(SignalSet::Of(signal));
      for (Thread* each = thread.task->threads.first(); each;
           each = thread.task->threads.Next(each)) {
        each->signals.pending.Drop(SignalSet::Of(signal));
      }
    }
    if (signal == kSIGCHLD) {
      for (Task* each = Tasks().first(); each; each = Tasks().Next(each)) {
        if (each->actions == thread.task->actions) {
          SetChildOptions(*each);
        }
      }
    }
  }
  return old == 0 || WriteUser(old, previous) ? 0 : -kEFAULT;
}

Reply SigProcMask(Thread& thread, U32 how, Address set, Address old, U64 size) {
  constexpr U32 kBlock = 0, kUnblock = 1, kSetMask = 2;
  if (size != kSetSize) {
    return -kEINVAL;
  }
  const SignalSet previous = thread.signals.mask;
  if (set != 0) {
    std::uint64_t bits = 0;
    if (!ReadUser(&bits, set)) {
      return -kEFAULT;
    }
    switch (how) {
      case kBlock:
        SetSignalMask(thread, previous | SignalSet(bits));
        break;
      case kUnblock:
        SetSignalMask(thread, previous & ~SignalSet(bits));
        break;
      case kSetMask:
        SetSignalMask(thread, SignalSet(bits));
        break;
      default:
        return -kEINVAL;
    }
  }
  return old == 0 || WriteUser(old, previous.bits()) ? 0 : -kEFAULT;
}

Reply SigReturn(Thread& thread) {
  thread.system_call = -1;
  if (!PopSignalFrame(thread)) {
    LinuxSigInfo info{};
    info.signo = kSIGSEGV;
    info.code = kSiKernel;
    ForceSignal(thread, info);
  }
  return 0;
}

Reply SigSuspend(Thread& thread, Address set, U64 size) {
  if (size != sizeof(std::uint64_t)) {
    return -kEINVAL;
  }
  if (set == 0) {
    return -kEFAULT;
  }
  if (const std::int64_t error = UseTemporaryMask(thread, set, size)) {
    return error;
  }
  while (Here().Block(0, true) != Wake::kSignal) {
  }
  return -kERESTARTNOHAND;
}

Reply Pause(Thread&) {
  while (Here().Block(0, true) != Wake::kSignal) {
  }
  return -kERESTARTNOHAND;
}

Reply SigPending(Thread& thread, Address set, U64 size) {
  if (size > kSetSize) {
    return -kEINVAL;
  }
  const std::uint64_t pending =
      ((thread.signals.pending.set() | thread.task->pending.set()) & thread.signals.mask).bits();
  return CopyOut(set, &pending, size) ? 0 : -kEFAULT;
}

Reply SigTimedWait(Thread& thread, Address set, Address info_address, Address timeout, U64 size) {
  std::uint64_t bits = 0;
  if (size != kSetSize) {
    return -kEINVAL;
  }
  if (!ReadUser(&bits, set)) {
    return -kEFAULT;
  }
  std::uint64_t deadline = 0;
  bool poll = false;
  if (timeout != 0) {
    std::int64_t ns = 0;
    if (const std::int64_t error = ReadTimespec(timeout, &ns)) {
      return error;
    }
    poll = ns == 0;
    deadline = DeadlineAfter(ns);
  }
  const SignalSet wanted = SignalSet(bits) & ~kUnblockable;
  LinuxSigInfo info;
  for (;;) {
    Here().TakeEvents();
    if (thread.signals.pending.Take(wanted, &info) || thread.task->pending.Take(wanted, &info)) {
      break;
    }
    if (poll) {
      return -kEAGAIN;
    }
    thread.signals.waits_for = wanted;
    const Wake wake = Here().Block(deadline, true);
    thread.signals.waits_for = {};
    if (wake == Wake::kTimeout) {
      return -kEAGAIN;
    }
    if (((thread.signals.pending.set() | thread.task->pending.set()) & wanted).empty()) {
      return -kEINTR;
    }
  }
  if (info_address != 0 && !WriteUser(info_address, info)) {
    return -kEFAULT;
  }
  return info.signo;
}

Reply SigQueueInfo(Thread& thread, I32 pid, I32 signal, Address address) {
  LinuxSigInfo info;
  if (!ReadUser(&info, address)) {
    return -kEFAULT;
  }
  if (!ValidNumber(signal)) {
    return -kEINVAL;
  }
  if (info.code >= 0 && pid != thread.task->pid) {
    return -kEPERM;
  }
  info.signo = signal;
  return SendThrough(proc::Selector::kTask, static_cast<U32>(pid), 0, info);
}

Reply PidFdSendSignal(Thread& thread, U32 fd, I32 signal, Address address, U32 flags) {
  if (flags != 0) {
    return -kEINVAL;
  }
  const std::int64_t pid = TaskOfDescriptor(thread, fd);
  if (pid < 0) {
    return pid;
  }
  LinuxSigInfo info = SenderInfo(thread, signal, kSiUser);
  if (address != 0) {
    if (!ReadUser(&info, address)) {
      return -kEFAULT;
    }
    if (info.signo != signal) {
      return -kEINVAL;
    }
    if ((info.code >= 0 || info.code == kSiTkill) && pid != thread.task->pid) {
      return -kEPERM;
    }
  }
  if (!ValidNumber(signal)) {
    return -kEINVAL;
  }
  return SendThrough(proc::Selector::kTask, static_cast<U32>(pid), 0, info);
}

Reply ThreadSigQueueInfo(Thread& thread, I32 pid, I32 tid, I32 signal, Address address) {
  LinuxSigInfo info;
  if (!ReadUser(&info, address)) {
    return -kEFAULT;
  }
  if (pid <= 0 || tid <= 0 || !ValidNumber(signal)) {
    return -kEINVAL;
  }
  if (info.code >= 0 && pid != thread.task->pid) {
    return -kEPERM;
  }
  info.signo = signal;
  return SendToThread(thread, pid, tid, info);
}

Reply SigAltStack(Thread& thread, Address stack, Address old) {
  LinuxStack& current = thread.signals.alternate;
  const bool active = OnAlternateStack(current, thread.regs.rsp);
  LinuxStack report = current;
  report.flags = (current.size == 0 ? kSsDisable
                  : active          ? kSsOnStack
                                    : 0) |
                 (current.flags & kSsAutoDisarm);
  if (stack != 0) {
    LinuxStack next;
    if (!ReadUser(&next, stack)) {
      return -kEFAULT;
    }
    if (active) {
      return -kEPERM;
    }
    const I32 mode = next.flags & ~kSsAutoDisarm;
    if (mode != 0 && mode != kSsOnStack && mode != kSsDisable) {
      return -kEINVAL;
    }
    if (mode == kSsDisable) {
      next = {0, kSsDisable, 0, 0};
    } else if (next.size < kMinimumSignalStack) {
      return -kENOMEM;
    }
    next.pad = 0;
    current = next;
  }
  return old == 0 || WriteUser(old, report) ? 0 : -kEFAULT;
}

Reply Kill(Thread& thread, I32 pid, I32 signal) {
  if (!ValidNumber(signal)) {
    return -kEINVAL;
  }
  const LinuxSigInfo info = SenderInfo(thread, signal, kSiUser);
  if (pid == thread.task->pid) {  // no kernel needed, and ready before the call returns
    if (signal != 0) {
      if (!thread.signals.mask.Has(signal)) {
        PostToThread(thread, info);
      } else {
        PostToTask(*thread.task, info);
      }
    }
    return 0;
  }
  if (pid > 0) {
    return SendThrough(proc::Selector::kTask, static_cast<U32>(pid), 0, info);
  }
  if (pid == -1) {
    return SendThrough(proc::Selector::kAll, 0, 0, info);
  }
  return SendThrough(proc::Selector::kGroup, static_cast<U32>(-pid), 0, info);
}

Reply ThreadKill(Thread& thread, I32 tid, I32 signal) {
  if (tid <= 0 || !ValidNumber(signal)) {
    return -kEINVAL;
  }
  return SendToThread(thread, 0, tid, SenderInfo(thread, signal, kSiTkill));
}
Reply ThreadGroupKill(Thread& thread, I32 pid, I32 tid, I32 signal) {
  if (pid <= 0 || tid <= 0 || !ValidNumber(signal)) {
    return -kEINVAL;
  }
  return SendToThread(thread, pid, tid, SenderInfo(thread, signal, kSiTkill));
}

}  // namespace k42::personality::calls
