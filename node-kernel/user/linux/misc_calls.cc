// The system as programs ask about it: names, limits, use, scheduling, prctl.
#include <cstring>

#include "user/linux/abi_usage.h"
#include "user/linux/call_support.h"
#include "user/linux/dispatchers.h"
#include "user/linux/limits.h"
#include "user/linux/monitor.h"

namespace k42::personality::calls {
namespace {

// What uname and /proc/version claim: programs look for a minimum.
constexpr char kRelease[] = "6.1.0-k42";
constexpr U32 kLimitCount = 16;

void CopyText(char* to, std::size_t size, const char* from) {
  std::size_t i = 0;
  for (; i + 1 < size && from[i]; ++i) {
    to[i] = from[i];
  }
  to[i] = 0;
}

// Linux's numbering of limits is not the kernel's.
constexpr proc::LimitKind kLimitKinds[kLimitCount] = {
    proc::LimitKind::kCpuSeconds,   proc::LimitKind::kFileSize,  proc::LimitKind::kData,
    proc::LimitKind::kStack,        proc::LimitKind::kCore,      proc::LimitKind::kResident,
    proc::LimitKind::kTasks,        proc::LimitKind::kHandles,   proc::LimitKind::kLocked,
    proc::LimitKind::kAddressSpace, proc::LimitKind::kFileLocks, proc::LimitKind::kSignals,
    proc::LimitKind::kQueues,       proc::LimitKind::kNice,      proc::LimitKind::kRealtime,
    proc::LimitKind::kRealtimeTime};

std::int64_t ChangeLimit(I32 pid, U32 which, Address limit, Address old) {
  if (which >= kLimitCount || pid < 0) {
    return pid < 0 ? -kESRCH : -kEINVAL;
  }
  LinuxLimit next{};
  if (limit != 0) {
    if (!ReadUser(&next, limit)) {
      return -kEFAULT;
    }
    if (next.current > next.maximum) {
      return -kEINVAL;
    }
  }
  const auto task = static_cast<U32>(pid);
  proc::Limit current{};
  if (const Status status = kernel::GetLimit(task, kLimitKinds[which], &current);
      status != Status::kOk) {
    return status == Status::kPermissionDenied ? -kEPERM : ErrnoOf(status);
  }
  if (limit != 0) {
    const Status status = kernel::SetLimit(task, kLimitKinds[which], {next.current, next.maximum});
    if (status != Status::kOk) {
      return status == Status::kPermissionDenied ? -kEPERM : ErrnoOf(status);
    }
    ObeyLimits();  // they may have been ours
  }
  const LinuxLimit previous{current.soft, current.hard};
  return old == 0 || WriteUser(old, previous) ? 0 : -kEFAULT;
}

// The thread or task a scheduling call means.
bool Known(Thread& thread, I32 pid) {
  proc::Schedule schedule{};
  return pid == 0 || pid == thread.tid || FindThread(pid) != nullptr ||
         kernel::GetSchedule(static_cast<U32>(pid), &schedule) == Status::kOk;
}

constexpr U32 kOther = 0, kFifo = 1, kRoundRobin = 2, kBatch = 3, kIdle = 5;
bool IsRealtime(U32 policy) {
  return policy == kFifo || policy == kRoundRobin;
}
// All threads are scheduled alike here: what asks for no more than that is granted.
std::int64_t CheckPolicy(U32 policy, U32 priority) {
  const bool known = IsRealtime(policy) || policy == kOther || policy == kBatch || policy == kIdle;
  if (!known || (IsRealtime(policy) ? priority < 1 || priority > 99 : priority != 0)) {
    return -kEINVAL;
  }
  return IsRealtime(policy) ? -kEPERM : 0;
}

struct LinuxSchedAttr {
  U32 size, policy;
  U64 flags;
  I32 nice;
  U32 priority;
  U64 runtime, deadline, period;
  U32 least, most;
};
constexpr U32 kSchedAttrFirstSize = 48;

std::uint64_t OnlineCpus() {
  proc::NodeInfo node{};
  (void)kernel::GetNode(&node);
  return node.cpus == 0 ? 1 : node.cpus >= 64 ? ~0ull : (1ull << node.cpus) - 1;
}

constexpr std::uint64_t kAffinityBytes = 8;

}  // namespace

Reply Uname(Thread&, Address result) {
  proc::NodeInfo node{};
  (void)kernel::GetNode(&node);
  LinuxUtsName name{};
  CopyText(name.system, sizeof(name.system), "Linux");
  CopyText(name.node, sizeof(name.node), reinterpret_cast<const char*>(node.name));
  CopyText(name.release, sizeof(name.release), kRelease);
  CopyText(name.version, sizeof(name.version), "#1 SMP K42");
  CopyText(name.machine, sizeof(name.machine), "x86_64");
  CopyText(name.domain, sizeof(name.domain),
           node.domain[0] ? reinterpret_cast<const char*>(node.domain) : "(none)");
  return WriteUser(result, name) ? 0 : -kEFAULT;
}

Reply SetHostName(Thread&, Address address, U64 size) {
  char name[64];
  if (size > 63) {
    return -kEINVAL;
  }
  if (!CopyIn(name, address, size)) {
    return -kEFAULT;
  }
  const Status status = kernel::SetNodeName(name, size);
  return status == Status::kPermissionDenied ? -kEPERM : ErrnoOf(status);
}

Reply SysInfo(Thread&, Address result) {
  proc::NodeInfo node{};
  (void)kernel::GetNode(&node);
  LinuxSysInfo info{};
  info.uptime = static_cast<std::int64_t>(kernel::MonotonicNs() / kNsPerSecond);
  for (int i = 0; i < 3; ++i) {
    info.loads[i] = node.load[i];
  }
  info.total_ram = node.memory;
  info.free_ram = node.memory_free;
  info.buffer_ram = node.memory_cached;
  info.processes = static_cast<std::uint16_t>(node.tasks);
  info.unit = 1;
  return WriteUser(result, info) ? 0 : -kEFAULT;
}

Reply GetRandom(Thread&, Address buffer, U64 size, U32 flags) {
  if ((flags & ~7u) != 0) {
    return -kEINVAL;
  }
  constexpr U64 kMost = 32u << 20;
  size = size < kMost ? size : kMost;
  for (U64 done = 0; done < size;) {
    const U64 piece = size - done < 65536 ? size - done : 65536;
    if (!InProgram(buffer + done, piece)) {
      return -kEFAULT;
    }
    const Status status = kernel::GetRandom(reinterpret_cast<void*>(buffer + done), piece);
    if (status != Status::kOk) {
      return done ? static_cast<Reply>(done) : ErrnoOf(status);
    }
    done += piece;
  }
  return static_cast<Reply>(size);
}

namespace {

constexpr U64 kLastCapability = 40;

bool IsPrivileged() {
  return kernel::GetNumber(0, proc::TaskNumber::kEffectiveUser).ValueOr(~0u) == 0;
}

// There are none: capabilities follow from the user alone.
std::int64_t AmbientCapabilities(U64 operation, U64 capability, U64 rest) {
  constexpr U64 kIsSet = 1, kRaise = 2, kLower = 3, kClearAll = 4;
  if (rest != 0 || (operation == kClearAll ? capability != 0 : capability > kLastCapability)) {
    return -kEINVAL;
  }
  switch (operation) {
    case kIsSet:
    case kLower:
    case kClearAll:
      return 0;
    case kRaise:  // it would have to be inheritable
      return -kEPERM;
    default:
      return -kEINVAL;
  }
}

}  // namespace

Reply Prctl(Thread& thread, U32 option, U64 a, U64 b, U64 c, U64 d) {
  enum : U32 {
    kSetDeathSignal = 1,
    kGetDeathSignal = 2,
    kGetDumpable = 3,
    kSetDumpable = 4,
    kGetKeepCaps = 7,
    kSetKeepCaps = 8,
    kSetName = 15,
    kGetName = 16,
    kGetSeccomp = 21,
    kCapBoundRead = 23,
    kCapBoundDrop = 24,
    kGetSecureBits = 27,
    kSetSecureBits = 28,
    kSetTimerSlack = 29,
    kGetTimerSlack = 30,
    kSetChildSubreaper = 36,
    kGetChildSubreaper = 37,
    kSetNoNewPrivs = 38,
    kGetNoNewPrivs = 39,
    kSetThpDisable = 41,
    kGetThpDisable = 42,
    kCapAmbient = 47,
    kSetVma = 0x53564d41,
    kSetPtracer = 0x59616d61,
  };
  Task& task = *thread.task;
  switch (option) {
    case kSetDeathSignal:
      if (a > static_cast<U64>(kSignalCount)) {
        return -kEINVAL;
      }
      thread.parent_death_signal = a;
      return ErrnoOf(kernel::SetOption(0, proc::TaskOption::kParentDeathSignal, a));
    case kGetDeathSignal:
      return WriteUser(a, static_cast<I32>(thread.parent_death_signal)) ? 0 : -kEFAULT;
    case kGetDumpable:
      return task.dumpable;
    case kSetDumpable:
      if (a > 1) {
        return -kEINVAL;
      }
      task.dumpable = static_cast<U32>(a);
      return 0;
    case kSetName: {
      char name[16] = {};
      const std::int64_t length = CopyInString(name, a, 15);
      if (length < 0 && length != -kENAMETOOLONG) {
        return length;
      }
      std::memcpy(thread.name, name, sizeof(name));
      if (thread.tid == task.pid) {
        (void)kernel::SetText(0, proc::TaskText::kName, name, std::strlen(name));
      }
      return 0;
    }
    case kGetName:
      return CopyOut(a, thread.name, sizeof(thread.name)) ? 0 : -kEFAULT;
    case kCapBoundRead:
      return a <= kLastCapability ? 1 : -kEINVAL;
    case kCapBoundDrop:  // what user 0 may do it goes on doing
      return a > kLastCapability ? -kEINVAL : IsPrivileged() ? 0 : -kEPERM;
    case kCapAmbient:
      return AmbientCapabilities(a, b, c | d);
    case kGetSecureBits:
    case kGetSeccomp:
      return 0;
    case kSetSecureBits:
      return IsPrivileged() ? 0 : -kEPERM;
    case kGetKeepCaps:
      return 0;
    case kSetKeepCaps:
      return a > 1 ? -kEINVAL : 0;  // setpriv asks, and goes on without any
    case kSetTimerSlack:
      return 0;
    case kGetTimerSlack:
      return 50000;
    case kSetChildSubreaper:
      return ErrnoOf(kernel::SetOption(0, proc::TaskOption::kAdoptOrphans, a != 0));
    case kGetChildSubreaper: {
      const Result<std::uint64_t> on = kernel::GetOption(0, proc::TaskOption::kAdoptOrphans);
      return WriteUser(a, static_cast<I32>(on.ValueOr(0))) ? 0 : -kEFAULT;
    }
    case kSetNoNewPrivs:
      if (a != 1) {
        return -kEINVAL;
      }
      task.no_new_privileges = true;
      return 0;
    case kGetNoNewPrivs:
      return task.no_new_privileges;
    case kSetThpDisable:
      if ((b | c | d) != 0) {
        return -kEINVAL;
      }
      return ErrnoOf(kernel::SetOption(0, proc::TaskOption::kSmallPages, a != 0));
    case kGetThpDisable: {
      if ((a | b | c | d) != 0) {
        return -kEINVAL;
      }
      const Result<std::uint64_t> small = kernel::GetOption(0, proc::TaskOption::kSmallPages);
      return small.ok() ? static_cast<Reply>(small.value()) : ErrnoOf(small.status());
    }
    case kSetPtracer:
      return 0;
    case kSetVma:
      return 0;  // names of regions: accepted, not kept
    default:
      return -kEINVAL;
  }
}

Reply ArchPrctl(Thread& thread, U32 code, Address address) {
  constexpr U32 kSetFs = 0x1002, kGetFs = 0x1003;
  switch (code) {
    case kSetFs:
      if (address >= abi::kUserLimit) {
        return -kEPERM;
      }
      thread.regs.fs_base = address;
      Here().fs_owner = nullptr;
      return 0;
    case kGetFs:
      return WriteUser(address, thread.regs.fs_base) ? 0 : -kEFAULT;
    default:
      return -kEINVAL;  // %gs is the dispatcher's
  }
}

Reply SetTidAddress(Thread& thread, Address address) {
  thread.clear_child_tid = address;
  return thread.tid;
}

Reply GetRlimit(Thread&, U32 which, Address limit) {
  return limit == 0 ? -kEFAULT : ChangeLimit(0, which, 0, limit);
}
Reply SetRlimit(Thread&, U32 which, Address limit) {
  return limit == 0 ? -kEFAULT : ChangeLimit(0, which, limit, 0);
}
Reply PrLimit64(Thread&, I32 pid, U32 which, Address limit, Address old) {
  return ChangeLimit(pid, which, limit, old);
}

Reply GetRusage(Thread& thread, I32 who, Address address) {
  constexpr I32 kSelf = 0, kChildren = -1, kThread = 1;
  if (who != kSelf && who != kChildren && who != kThread) {
    return -kEINVAL;
  }
  proc::TaskInfo info{};
  (void)kernel::GetTask(0, &info);
  LinuxUsage usage{};
  usage.user = ToTimeval(who == kChildren ? info.children_user_ns : info.user_ns);
  usage.system = ToTimeval(who == kChildren ? info.children_system_ns : info.system_ns);
  if (who == kThread) {
    usage.user = ToTimeval(Dispatcher::CpuNs(thread));
    usage.system = {};
  }
  if (who != kChildren) {
    proc::MemoryUse memory{};
    (void)kernel::QueryMemory(&memory);
    usage.max_resident = static_cast<std::int64_t>(memory.peak_resident / 1024);
    usage.minor_faults = static_cast<std::int64_t>(memory.faults);
    usage.major_faults = static_cast<std::int64_t>(memory.faults_io);
    usage.voluntary_switches = static_cast<std::int64_t>(info.switches);
  }
  return WriteUser(address, usage) ? 0 : -kEFAULT;
}

Reply GetPriority(Thread&, U32 which, I32 who) {
  if (which > 2) {
    return -kEINVAL;
  }
  proc::Schedule schedule{};
  const Status status = kernel::GetSchedule(which == 0 ? static_cast<U32>(who) : 0, &schedule);
  return status == Status::kOk ? 20 - schedule.nice : ErrnoOf(status);
}
Reply SetPriority(Thread&, U32 which, I32 who, I32 priority) {
  if (which > 2) {
    return -kEINVAL;
  }
  const U32 task = which == 0 ? static_cast<U32>(who) : 0;
  proc::Schedule schedule{};
  if (const Status status = kernel::GetSchedule(task, &schedule); status != Status::kOk) {
    return ErrnoOf(status);
  }
  schedule.nice = priority < -20 ? -20 : priority > 19 ? 19 : priority;
  schedule.weight = 0;  // what goes with it
  return ErrnoOf(kernel::SetSchedule(task, schedule));
}

Reply SchedYield(Thread&) {
  Here().TakeEvents();
  Here().Yield();
  const Outside outside;
  kernel::Yield();
  return 0;
}

Reply SchedGetAffinity(Thread& thread, I32 pid, U64 size, Address mask) {
  if (size < kAffinityBytes || size % 8 != 0) {
    return -kEINVAL;
  }
  Thread* target = pid == 0 ? &thread : FindThread(pid);
  std::uint64_t cpus = OnlineCpus();
  if (target) {
    cpus &= target->affinity;
  } else {
    proc::Schedule schedule{};
    const Status status = kernel::GetSchedule(static_cast<U32>(pid), &schedule);
    if (pid < 0 || status != Status::kOk) {
      return pid < 0 ? -kESRCH : ErrnoOf(status);
    }
    cpus &= schedule.cpus;
  }
  return WriteUser(mask, cpus) ? static_cast<Reply>(kAffinityBytes) : -kEFAULT;
}

Reply SchedSetAffinity(Thread& thread, I32 pid, U64 size, Address mask) {
  std::uint64_t cpus = 0;
  if (!CopyIn(&cpus, mask, size < kAffinityBytes ? size : kAffinityBytes)) {
    return -kEFAULT;
  }
  cpus &= OnlineCpus();
  if (cpus == 0) {
    return -kEINVAL;
  }
  Thread* target = pid == 0 ? &thread : FindThread(pid);
  const U32 task = target ? static_cast<U32>(target->task->pid) : static_cast<U32>(pid);
  proc::Schedule schedule{};
  if (const Status status = kernel::GetSchedule(task, &schedule); status != Status::kOk) {
    return ErrnoOf(status);
  }
  // The kernel is told where any thread of the process may be: its children start there.
  schedule.cpus = cpus;
  if (target) {
    for (Thread* other = target->task->threads.first(); other;
         other = target->task->threads.Next(other)) {
      schedule.cpus |= other == target ? 0 : other->affinity & OnlineCpus();
    }
  }
  if (const Status status = kernel::SetSchedule(task, schedule); status != Status::kOk) {
    return status == Status::kPermissionDenied ? -kEPERM : ErrnoOf(status);
  }
  if (target) {
    target->affinity = cpus;
    Dispatchers::Obey(*target);
  }
  return 0;
}

Reply SchedGetScheduler(Thread& thread, I32 pid) {
  return pid < 0 ? -kEINVAL : Known(thread, pid) ? 0 : -kESRCH;
}
Reply SchedSetScheduler(Thread& thread, I32 pid, U32 policy, Address parameters) {
  constexpr U32 kResetOnFork = 0x40000000;
  I32 priority = 0;
  if (static_cast<I32>(policy) < 0 || parameters == 0 || pid < 0) {
    return -kEINVAL;
  }
  if (!ReadUser(&priority, parameters)) {
    return -kEFAULT;
  }
  return Known(thread, pid) ? CheckPolicy(policy & ~kResetOnFork, static_cast<U32>(priority))
                            : -kESRCH;
}
Reply SchedGetAttr(Thread& thread, I32 pid, Address address, U32 size, U32 flags) {
  if (address == 0 || pid < 0 || size > abi::kPageSize || size < kSchedAttrFirstSize ||
      flags != 0) {
    return -kEINVAL;
  }
  proc::Schedule schedule{};
  if (!Known(thread, pid) ||
      kernel::GetSchedule(FindThread(pid) ? 0 : static_cast<U32>(pid), &schedule) != Status::kOk) {
    return -kESRCH;
  }
  LinuxSchedAttr attributes{};
  attributes.size = size < sizeof(attributes) ? size : sizeof(attributes);
  attributes.nice = schedule.nice;
  attributes.most = 1024;
  return CopyOut(address, &attributes, attributes.size) ? 0 : -kEFAULT;
}
Reply SchedSetAttr(Thread& thread, I32 pid, Address address, U32 flags) {
  LinuxSchedAttr attributes{};
  if (address == 0 || pid < 0 || flags != 0) {
    return -kEINVAL;
  }
  if (!CopyIn(&attributes, address, kSchedAttrFirstSize)) {
    return -kEFAULT;
  }
  if (!Known(thread, pid)) {
    return -kESRCH;
  }
  const std::int64_t allowed = CheckPolicy(attributes.policy, attributes.priority);
  return allowed == 0 && attributes.policy == kOther ? SetPriority(thread, 0, pid, attributes.nice)
                                                     : allowed;
}
Reply SchedRoundRobinInterval(Thread& thread, I32 pid, Address address) {
  constexpr I64 kQuantumNs = 4'000'000;
  if (pid < 0 || !Known(thread, pid)) {
    return pid < 0 ? -kEINVAL : -kESRCH;
  }
  return WriteUser(address, ToTimespec(kQuantumNs)) ? 0 : -kEFAULT;
}
// Classes of disk access mean nothing where no disk is: the default is there, and may be set.
Reply IoPriorityGet(Thread& thread, I32 which, I32 who) {
  return which < 1 || which > 3 ? -kEINVAL : which == 1 && !Known(thread, who) ? -kESRCH : 0;
}
Reply IoPrioritySet(Thread& thread, I32 which, I32 who, I32 priority) {
  constexpr I32 kClassShift = 13, kClasses = 4;
  return which < 1 || which > 3 || priority >> kClassShift >= kClasses || priority < 0 ? -kEINVAL
         : which == 1 && !Known(thread, who)                                           ? -kESRCH
                                                                                       : 0;
}
Reply SchedGetParam(Thread& thread, I32 pid, Address parameters) {
  const I32 priority = 0;
  if (parameters == 0 || pid < 0) {
    return -kEINVAL;
  }
  return !Known(thread, pid) ? -kESRCH : WriteUser(parameters, priority) ? 0 : -kEFAULT;
}
Reply SchedSetParam(Thread& thread, I32 pid, Address parameters) {
  I32 priority = 0;
  if (parameters == 0 || pid < 0) {
    return -kEINVAL;
  }
  if (!ReadUser(&priority, parameters)) {
    return -kEFAULT;
  }
  return !Known(thread, pid) ? -kESRCH : priority == 0 ? 0 : -kEINVAL;
}
Reply SchedPriorityMax(Thread&, U32 policy) {
  return policy == 1 || policy == 2 ? 99 : policy <= 6 ? 0 : -kEINVAL;
}
Reply SchedPriorityMin(Thread&, U32 policy) {
  return policy == 1 || policy == 2 ? 1 : policy <= 6 ? 0 : -kEINVAL;
}

Reply GetCpu(Thread&, Address cpu, Address node) {
  const U32 number = kernel::Page()->cpu;
  const U32 zero = 0;
  return (cpu == 0 || WriteUser(cpu, number)) && (node == 0 || WriteUser(node, zero)) ? 0
                                                                                      : -kEFAULT;
}

Reply MemBarrier(Thread&, I32 command, U32 flags) {
  constexpr I32 kQuery = 0;
  // Nothing is offered: programs fall back to barriers of their own.
  return flags == 0 && command == kQuery ? 0 : -kEINVAL;
}

Reply Personality(Thread&, U64) {
  return 0;
}
Reply Nothing(Thread&) {
  return 0;
}
Reply NotPermitted(Thread&) {
  return -kEPERM;
}
Reply RestartSystemCall(Thread&) {
  return -kEINTR;
}

}  // namespace k42::personality::calls
