// The seam over the host's Linux: processes, signals, the node.
#include <cstring>

#include "tests/linux/host/host_calls.h"
#include "tests/linux/host/host_events.h"
#include "tests/linux/host/host_tickets.h"
#include "user/linux/kernel.h"

namespace k42::personality::kernel {
using namespace k42::host;
namespace {
Result<Handle> AsHandle(long fd) {
  if (fd < 0) {
    return StatusOf(fd);
  }
  return static_cast<Handle>(fd + 16);
}
}  // namespace

// -- processes -----------------------------------------------------------------------------------
extern "C" [[noreturn]] void host_continue(const std::uint64_t context[8]);
asm(".text\nhost_continue:\n mov (%rdi), %rbx\n mov 8(%rdi), %rbp\n mov 16(%rdi), %r12\n"
    " mov 24(%rdi), %r13\n mov 32(%rdi), %r14\n mov 40(%rdi), %r15\n mov 48(%rdi), %rsp\n"
    " mov $1, %eax\n jmp *56(%rdi)\n");

Result<std::uint32_t> Fork(const std::uint64_t context[8], std::uint32_t exit_signal) {
  const long pid = Call(kClone, exit_signal);
  if (pid < 0) {
    return StatusOf(pid);
  }
  if (pid == 0) {
    ForgetTickets();
    Page()->pending = 0;
    for (auto& fired : Page()->tickets_fired) {
      fired = 0;
    }
    Prepare();
    host_continue(context);
  }
  return static_cast<std::uint32_t>(pid);
}
namespace {

// A task without a process of its own yet: a host process that shares our descriptors and waits to
// be told what to become.
struct Placeholder {
  long pid;
  int command, answer;
};
Placeholder placeholders[16];

struct Order {
  long kind;  // 1: exit with code, 2: run the blob
  long code;
  long handle_count;
};

[[noreturn]] void RunImage(long blob, const Handle* handles, std::size_t count, const int* extra) {
  for (long i = 0; i < 1024; ++i) {
    bool keep = i == blob || (extra && i == *extra);
    for (std::size_t j = 0; j < count; ++j) {
      keep |= FdOf(handles[j]) == i;
    }
    if (!keep) {
      Call(kClose, i);
    }
  }
  char number[12] = {};
  int digits = 0;
  for (long value = blob; digits == 0 || value != 0; value /= 10) {
    ++digits;
  }
  long rest = blob;
  for (int i = digits - 1; i >= 0; --i, rest /= 10) {
    number[i] = static_cast<char>('0' + rest % 10);
  }
  if (extra) {
    Call(kWrite, *extra, Word("x"), 1);
    Call(kClose, *extra);
  }
  const char* argv[] = {"host", "--blob", number, nullptr};
  const char* envp[] = {nullptr};
  Call(kExecve, Word("/proc/self/exe"), Word(argv), Word(envp));
  Call(kExitGroup, 127);
  __builtin_unreachable();
}

[[noreturn]] void Wait(int command, int answer) {
  Order order{};
  Handle handles[256];
  unsigned long none = 0;
  Call(kSigprocmask, 2, Word(&none), 0, 8);
  for (int signal = 1; signal < 32; ++signal) {
    struct {
      unsigned long handler, flags, restorer, mask;
    } action{};
    Call(kSigaction, signal, Word(&action), 0, 8);
  }
  if (Call(kRead, command, Word(&order), sizeof(order)) != sizeof(order) || order.kind == 1) {
    Call(kExitGroup, order.code);
  }
  Call(kRead, command, Word(handles), order.handle_count * 4);
  Call(272, 0x400);  // unshare(CLONE_FILES)
  RunImage(order.code, handles, static_cast<std::size_t>(order.handle_count), &answer);
}

Placeholder* Find(long pid) {
  for (Placeholder& each : placeholders) {
    if (each.pid == pid) {
      return &each;
    }
  }
  return nullptr;
}

}  // namespace

Result<std::uint32_t> Spawn(std::uint32_t task, std::uint32_t, const void* blob,
                            std::size_t blob_size, const Handle* handles, std::size_t count) {
  Placeholder* place = Find(task);
  const long fd = Call(kMemfdCreate, Word("exec"), 0);
  Call(kWrite, fd, Word(blob), static_cast<long>(blob_size));
  const Order order{2, fd, static_cast<long>(count)};
  Call(kWrite, place->command, Word(&order), sizeof(order));
  Call(kWrite, place->command, Word(handles), static_cast<long>(count * 4));
  char done;
  Call(kRead, place->answer, Word(&done), 1);
  Call(kClose, fd);
  Call(kClose, place->command);
  Call(kClose, place->answer);
  place->pid = 0;
  return task;
}
Status Replace(const void* blob, std::size_t blob_size, const Handle* handles, std::size_t count) {
  const long fd = Call(kMemfdCreate, Word("exec"), 0);
  Call(kWrite, fd, Word(blob), static_cast<long>(blob_size));
  RunImage(fd, handles, count, nullptr);
}
void Exit(std::uint32_t task, proc::ExitKind kind, std::uint32_t code) {
  if (Placeholder* place = task != 0 ? Find(task) : nullptr) {
    const Order order{1, static_cast<long>(code), 0};
    Call(kWrite, place->command, Word(&order), sizeof(order));
    Call(kClose, place->command);
    Call(kClose, place->answer);
    place->pid = 0;
    return;
  }
  if (kind == proc::ExitKind::kExited) {
    Call(kExitGroup, code);
  }
  struct {
    unsigned long handler, flags, restorer, mask;
  } action{};
  Call(kSigaction, code, Word(&action), 0, 8);
  unsigned long none = 0;
  Call(kSigprocmask, 2, Word(&none), 0, 8);
  Call(kKill, Call(kGetpid), code);
  Call(kExitGroup, 128 + code);
}

Status WaitChild(const proc::WaitRequest& request, proc::WaitResult* found, std::uint32_t ticket) {
  struct {
    int signo, error, code, pad, pid;
    unsigned uid;
    int status;
    int rest[25];
  } info{};
  long usage[18] = {};
  long type = 0, id = static_cast<long>(request.id);
  switch (request.selector) {
    case proc::Selector::kTask:
      type = 1;
      break;
    case proc::Selector::kGroup:
      type = 2;
      break;
    default:
      type = 0;
      break;
  }
  long options = 1;
  options |= request.flags & proc::kWaitExited ? 4 : 0;
  options |= request.flags & proc::kWaitStopped ? 2 : 0;
  options |= request.flags & proc::kWaitContinued ? 8 : 0;
  options |= request.flags & proc::kWaitKeep ? 0x01000000 : 0;
  const long result = Call(kWaitid, type, id, Word(&info), options, Word(usage));
  if (result < 0) {
    return StatusOf(result);
  }
  if (info.pid != 0) {
    *found = {};
    found->task = static_cast<std::uint32_t>(info.pid);
    found->code = static_cast<std::uint32_t>(info.status);
    constexpr proc::ExitKind kKinds[] = {proc::ExitKind::kExited,   proc::ExitKind::kExited,
                                         proc::ExitKind::kKilled,   proc::ExitKind::kCoreDumped,
                                         proc::ExitKind::kStopped,  proc::ExitKind::kStopped,
                                         proc::ExitKind::kContinued};
    found->kind = kKinds[info.code];
    return Status::kOk;
  }
  if (ticket == abi::kNoTicket) {
    return Status::kWouldBlock;
  }
  ArmChild(ticket);
  // A child that ended in between has been announced by SIGCHLD before we were armed.
  struct Again {
    int word[32];
  } again{};
  if (Call(kWaitid, type, id, Word(&again), options | 0x01000000, 0) == 0 && again.word[4] != 0) {
    FireTicket(ticket);
  }
  return Status::kPending;
}
Result<std::uint32_t> NewTask(std::uint32_t exit_signal) {
  int command[2], answer[2];
  Call(kPipe2, Word(command), 0);
  Call(kPipe2, Word(answer), 0);
  const long pid = Call(kClone, 0x400 | exit_signal);  // CLONE_FILES
  if (pid == 0) {
    Wait(command[0], answer[1]);
  }
  Placeholder* place = Find(0);
  *place = {pid, command[1], answer[0]};
  return static_cast<std::uint32_t>(pid);
}
Result<std::uint32_t> NewThread(std::uint32_t) {
  static std::uint32_t next = 1'000'000;
  return next++;
}
void EndThread(std::uint32_t) {}
void SetTask(std::uint32_t) {}
// By a call: there are hosts that execute wrfsbase, but forget what it wrote when they switch.
void LoadFsBase(std::uint64_t base) {
  constexpr long kArchPrctl = 158, kSetFs = 0x1002;
  host::Call(kArchPrctl, kSetFs, static_cast<long>(base));
}
Result<std::uint32_t> Kill(const proc::SignalRequest& request) {
  long pid = static_cast<long>(request.id);
  if (request.selector == proc::Selector::kGroup) {
    pid = -pid;
  } else if (request.selector == proc::Selector::kAll) {
    pid = -1;
  }
  long result = 0;
  if (request.info.code < 0) {
    struct {
      int signo, error, code, pad, pid;
      unsigned uid;
      std::uint64_t value, rest[12];
    } info{static_cast<int>(request.info.signal), 0, request.info.code,  0,
           static_cast<int>(Call(kGetpid)),       0, request.info.value, {}};
    result = Call(129, pid, request.info.signal, Word(&info));
  } else {
    result = Call(kKill, pid, request.info.signal);
  }
  if (result < 0) {
    return StatusOf(result);
  }
  return std::uint32_t{1};
}
Status TakeSignal(std::uint32_t, proc::SignalInfo* info) {
  return TakePosted(info) ? Status::kOk : Status::kNotFound;
}
void Stop(std::uint32_t, std::uint32_t) {
  Call(kKill, Call(kGetpid), 19);
}
Status GetTask(std::uint32_t task, proc::TaskInfo* info) {
  *info = {};
  info->task = task ? task : static_cast<std::uint32_t>(Call(kGetpid));
  info->parent = static_cast<std::uint32_t>(Call(kGetppid));
  const long group = Call(kGetpgid, task);
  if (group < 0) {
    return StatusOf(group);
  }
  info->group = static_cast<std::uint32_t>(group);
  info->session = static_cast<std::uint32_t>(Call(kGetsid, task));
  return Status::kOk;
}
Result<std::uint32_t> GetNumber(std::uint32_t task, proc::TaskNumber which) {
  proc::TaskInfo info;
  const Status status = GetTask(task, &info);
  if (status != Status::kOk) {
    return status;
  }
  switch (which) {
    case proc::TaskNumber::kOwn:
      return info.task;
    case proc::TaskNumber::kParent:
      return info.parent;
    case proc::TaskNumber::kGroup:
      return info.group;
    case proc::TaskNumber::kSession:
      return info.session;
    case proc::TaskNumber::kUser:
    case proc::TaskNumber::kEffectiveUser:
      return static_cast<std::uint32_t>(Call(kGetuid));
    case proc::TaskNumber::kGroupId:
    case proc::TaskNumber::kEffectiveGroup:
      return static_cast<std::uint32_t>(Call(kGetgid));
  }
  return Status::kInvalidArgument;
}
Result<std::uint32_t> GetText(std::uint32_t, proc::TaskText, void*, std::size_t) {
  return Status::kNotFound;
}
Status SetText(std::uint32_t, proc::TaskText, const void*, std::size_t) {
  return Status::kOk;
}
Result<std::uint64_t> GetOption(std::uint32_t, proc::TaskOption option) {
  constexpr long kGetThpDisable = 42;
  const bool small = option == proc::TaskOption::kSmallPages;
  return static_cast<std::uint64_t>(small ? Call(kPrctl, kGetThpDisable, 0, 0, 0, 0) : 0);
}
Status SetOption(std::uint32_t, proc::TaskOption option, std::uint64_t value) {
  constexpr long kSetThpDisable = 41;
  return option == proc::TaskOption::kSmallPages
             ? StatusOf(Call(kPrctl, kSetThpDisable, static_cast<long>(value), 0, 0, 0))
             : Status::kOk;
}
Status SetGroup(std::uint32_t task, std::uint32_t group) {
  return StatusOf(Call(kSetpgid, task, group));
}
Result<std::uint32_t> NewSession() {
  const long result = Call(kSetsid);
  if (result < 0) {
    return StatusOf(result);
  }
  return static_cast<std::uint32_t>(result);
}
Status GetCredential(proc::Credential* credential) {
  *credential = {};
  credential->user = credential->effective_user = credential->saved_user = credential->file_user =
      static_cast<std::uint32_t>(Call(kGetuid));
  credential->group = credential->effective_group = credential->saved_group =
      credential->file_group = static_cast<std::uint32_t>(Call(kGetgid));
  return Status::kOk;
}
Status SetCredential(std::uint32_t, const proc::Credential&) {
  return Status::kPermissionDenied;
}
Status GetLimit(std::uint32_t, proc::LimitKind kind, proc::Limit* limit) {
  constexpr long kNumbers[] = {9, 7, 6, 0, 1, 2, 3, 4, 8, 5, 10, 11, 12, 13, 14, 15};
  return StatusOf(Call(kGetrlimit, kNumbers[static_cast<int>(kind)], Word(limit)));
}
Status SetLimit(std::uint32_t, proc::LimitKind, const proc::Limit&) {
  return Status::kOk;
}
Status GetSchedule(std::uint32_t, proc::Schedule* schedule) {
  *schedule = {};
  schedule->cpus = ~0ull;
  return Status::kOk;
}
Status SetSchedule(std::uint32_t, const proc::Schedule&) {
  return Status::kOk;
}
void Close(Handle handle) {
  Call(kClose, FdOf(handle));
}
Result<Handle> Duplicate(Handle handle) {
  return AsHandle(Call(kFcntl, FdOf(handle), 0, 0));
}
Status GetNode(proc::NodeInfo* info) {
  *info = {};
  std::memcpy(info->name, "host", 5);
  info->cpus = 2;
  info->memory = 1u << 30;
  return Status::kOk;
}
void NoteUnserved(std::uint32_t) {}
Status SetNodeName(const char*, std::size_t) {
  return Status::kPermissionDenied;
}
Status GetRandom(void* bytes, std::size_t size) {
  return StatusOf(Call(kGetrandom, Word(bytes), static_cast<long>(size), 0));
}

}  // namespace k42::personality::kernel
