// wait4 and waitid: the kernel knows the children; here their reports become Linux's words.
#include "user/linux/abi_usage.h"
#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"
#include "user/linux/task_descriptor.h"

namespace k42::personality::calls {
namespace {

// WaitOption.
constexpr std::uint32_t kWNoHang = 1, kWUntraced = 2, kWExited = 4, kWContinued = 8,
                        kWNoWait = 0x01000000, kWNoThread = 0x20000000, kWAll = 0x40000000,
                        kWClone = 0x80000000;

std::uint32_t StatusWord(const proc::WaitResult& result) {
  switch (result.kind) {
    case proc::ExitKind::kExited:
      return (result.code & 0xff) << 8;
    case proc::ExitKind::kKilled:
      return result.code & 0x7f;
    case proc::ExitKind::kCoreDumped:
      return (result.code & 0x7f) | 0x80;
    case proc::ExitKind::kStopped:
      return (result.code & 0xff) << 8 | 0x7f;
    case proc::ExitKind::kContinued:
      return 0xffff;
  }
  return 0;
}

bool StoreUsage(std::uint64_t address, const proc::WaitResult& result) {
  if (address == 0) {
    return true;
  }
  LinuxUsage usage{};
  usage.user = ToTimeval(result.user_ns);
  usage.system = ToTimeval(result.system_ns);
  usage.max_resident = static_cast<std::int64_t>(result.peak_resident / 1024);
  return WriteUser(address, usage);
}

// 1: found; 0: none now and the caller does not wait; negative: error.
std::int64_t Await(const proc::WaitRequest& request, bool wait, proc::WaitResult* found) {
  for (;;) {
    if (!wait) {
      const Status status = kernel::WaitChild(request, found, kNoTicket);
      return status == Status::kOk ? 1 : status == Status::kWouldBlock ? 0 : ErrnoOf(status);
    }
    ScopedTicket ticket;
    if (!ticket.valid()) {
      return -kENOMEM;
    }
    const Status status = kernel::WaitChild(request, found, ticket.number());
    if (status == Status::kOk) {
      return 1;
    }
    if (status != Status::kPending) {
      return ErrnoOf(status);
    }
    ticket.SetArmed();
    if (ticket.Wait(0, true) != Wake::kEvent) {
      return -kERESTARTSYS;
    }
  }
}

}  // namespace

Reply Wait4(Thread&, I32 pid, Address status, U32 options, Address usage) {
  if ((options & ~(kWNoHang | kWUntraced | kWContinued | kWNoThread | kWAll | kWClone)) != 0) {
    return -kEINVAL;
  }
  proc::WaitRequest request{};
  request.flags = proc::kWaitExited;
  request.flags |= options & kWUntraced ? proc::kWaitStopped : 0;
  request.flags |= options & kWContinued ? proc::kWaitContinued : 0;
  if (pid > 0) {
    request.selector = proc::Selector::kTask;
    request.id = static_cast<U32>(pid);
  } else if (pid == -1) {
    request.selector = proc::Selector::kAll;
  } else {
    request.selector = proc::Selector::kGroup;
    request.id = static_cast<U32>(-pid);
  }
  proc::WaitResult result{};
  const std::int64_t found = Await(request, (options & kWNoHang) == 0, &result);
  if (found <= 0) {
    return found;
  }
  if (status != 0 && !WriteUser(status, StatusWord(result))) {
    return -kEFAULT;
  }
  return StoreUsage(usage, result) ? static_cast<Reply>(result.task) : -kEFAULT;
}

Reply WaitId(Thread& thread, U32 type, U32 id, Address info_address, U32 options, Address usage) {
  constexpr U32 kAll = 0, kPid = 1, kGroup = 2, kPidFd = 3;
  constexpr U32 kEvents = kWExited | kWUntraced | kWContinued;
  if ((options & kEvents) == 0 ||
      (options & ~(kEvents | kWNoHang | kWNoWait | kWNoThread | kWAll | kWClone)) != 0) {
    return -kEINVAL;
  }
  bool nonblocking = false;  // the descriptor says so
  proc::WaitRequest request{};
  request.flags |= options & kWExited ? proc::kWaitExited : 0;
  request.flags |= options & kWUntraced ? proc::kWaitStopped : 0;
  request.flags |= options & kWContinued ? proc::kWaitContinued : 0;
  request.flags |= options & kWNoWait ? proc::kWaitKeep : 0;
  request.id = id;
  switch (type) {
    case kAll:
      request.selector = proc::Selector::kAll;
      break;
    case kPid:
      request.selector = proc::Selector::kTask;
      break;
    case kGroup:
      request.selector = proc::Selector::kGroup;
      break;
    case kPidFd: {
      const std::int64_t pid =
          static_cast<I32>(id) < 0 ? -std::int64_t{kEINVAL} : TaskOfDescriptor(thread, id);
      if (pid < 0) {
        return pid == -kESRCH ? -kECHILD : pid;
      }
      request.selector = proc::Selector::kTask;
      request.id = static_cast<U32>(pid);
      nonblocking = Descriptor(thread, id)->nonblocking();
      break;
    }
    default:
      return -kEINVAL;
  }
  proc::WaitResult result{};
  const bool wait = (options & kWNoHang) == 0 && !nonblocking;
  const std::int64_t found = Await(request, wait, &result);
  if (found == 0 && nonblocking && (options & kWNoHang) == 0) {
    return -kEAGAIN;
  }
  if (info_address != 0 && (found >= 0 || found == -kECHILD)) {  // nobody: zeros
    LinuxSigInfo info{};
    if (found == 1) {
      info.signo = kSIGCHLD;
      info.child.pid = static_cast<I32>(result.task);
      info.child.uid = result.user;
      info.child.status = static_cast<I32>(result.code);
      switch (result.kind) {
        case proc::ExitKind::kExited:
          info.code = kChildExited;
          break;
        case proc::ExitKind::kKilled:
          info.code = kChildKilled;
          break;
        case proc::ExitKind::kCoreDumped:
          info.code = kChildDumped;
          break;
        case proc::ExitKind::kStopped:
          info.code = kChildStopped;
          break;
        case proc::ExitKind::kContinued:
          info.code = kChildContinued;
          info.child.status = kSIGCONT;
          break;
      }
    }
    if (!WriteUser(info_address, info)) {
      return -kEFAULT;
    }
  }
  if (found < 0) {
    return found;
  }
  return found == 1 && !StoreUsage(usage, result) ? -kEFAULT : 0;
}

}  // namespace k42::personality::calls
