// The seam (user/linux/kernel.h) over the host's Linux: dispatcher, memory, processes, the node.
#include "user/linux/kernel.h"

#include <cstring>

#include "tests/linux/host/host_calls.h"
#include "tests/linux/host/host_events.h"
#include "tests/linux/host/host_tickets.h"
#include "user/linux/entry.h"
#include "user/linux/start.h"

namespace k42::host {

Status StatusOf(long result) {
  if (result >= 0) {
    return Status::kOk;
  }
  switch (-result) {
    case 1:
    case 13:
      return Status::kPermissionDenied;
    case 2:
      return Status::kNotFound;
    case 3:
      return Status::kNoProcess;
    case 5:
      return Status::kIoError;
    case 8:
      return Status::kExecFormat;
    case 9:
      return Status::kBadHandle;
    case 10:
      return Status::kNoChild;
    case 11:
      return Status::kWouldBlock;
    case 12:
      return Status::kNoMemory;
    case 14:
      return Status::kBadAddress;
    case 16:
      return Status::kBusy;
    case 17:
      return Status::kAlreadyExists;
    case 18:
      return Status::kCrossDevice;
    case 20:
      return Status::kNotDirectory;
    case 21:
      return Status::kIsDirectory;
    case 24:
      return Status::kLimitExceeded;
    case 25:
      return Status::kNotTerminal;
    case 26:
      return Status::kTextBusy;
    case 28:
      return Status::kNoSpace;
    case 29:
      return Status::kIllegalSeek;
    case 30:
      return Status::kReadOnly;
    case 31:
      return Status::kTooManyLinks;
    case 32:
      return Status::kBrokenPipe;
    case 36:
      return Status::kNameTooLong;
    case 39:
      return Status::kNotEmpty;
    case 40:
      return Status::kLoop;
    case 90:
      return Status::kMessageTooLong;
    case 95:
      return Status::kNotSupported;
    case 98:
      return Status::kAddressInUse;
    case 104:
      return Status::kConnectionReset;
    case 106:
      return Status::kAlreadyConnected;
    case 107:
      return Status::kNotConnected;
    case 111:
      return Status::kConnectionRefused;
    case 115:
      return Status::kInProgress;
    default:
      return Status::kInvalidArgument;
  }
}

namespace {

struct Armed {
  enum Kind : std::uint8_t { kNone, kFile, kChild, kFutex } kind;
  int fd;
  short events;
  std::uint64_t word;
  std::uint32_t expected;
};
Armed armed[abi::kTicketCount];

constexpr int kRing = 256;
proc::SignalInfo ring[kRing];
unsigned ring_head, ring_tail;

abi::DispatcherPage* ThePage() {
  return reinterpret_cast<abi::DispatcherPage*>(abi::kDispatcherBase);
}

void Fire(std::uint32_t ticket) {
  armed[ticket] = {};
  ThePage()->tickets_fired[ticket / 64].fetch_or(1ull << (ticket % 64));
  ThePage()->pending.fetch_or(abi::kEventTicket);
}

}  // namespace

void PostSignal(const proc::SignalInfo& info) {
  ring[ring_tail++ % kRing] = info;
}
void FireChildTickets() {
  for (std::uint32_t i = 0; i < abi::kTicketCount; ++i) {
    if (armed[i].kind == Armed::kChild) {
      Fire(i);
    }
  }
}
void ArmFile(std::uint32_t ticket, int fd, short events) {
  armed[ticket] = {Armed::kFile, fd, events, 0, 0};
  CheckTickets(0);
}
bool DisarmTicket(std::uint32_t ticket) {
  const bool was = armed[ticket].kind != Armed::kNone;
  armed[ticket] = {};
  return was;
}
void ForgetTickets() {
  std::memset(armed, 0, sizeof(armed));
  ring_head = ring_tail = 0;
}

struct PollEntry {
  int fd;
  short events, revents;
};

// Waits at most until the deadline (1: do not wait, 0: no deadline).
void CheckTickets(std::uint64_t timeout_ns, const unsigned long* mask) {
  static PollEntry entries[abi::kTicketCount];
  static std::uint32_t owner[abi::kTicketCount];
  unsigned count = 0;
  bool futex = false;
  for (std::uint32_t i = 0; i < abi::kTicketCount; ++i) {
    if (armed[i].kind == Armed::kFile) {
      entries[count] = {armed[i].fd, armed[i].events, 0};
      owner[count++] = i;
    }
    if (armed[i].kind == Armed::kFutex) {
      if (*reinterpret_cast<volatile std::uint32_t*>(armed[i].word) != armed[i].expected) {
        Fire(i);
        timeout_ns = 0;
      }
      futex = true;
    }
  }
  if (futex && timeout_ns > 1'000'000) {
    timeout_ns = 1'000'000;
  }
  long time[2] = {static_cast<long>(timeout_ns / 1'000'000'000),
                  static_cast<long>(timeout_ns % 1'000'000'000)};
  const long ready =
      Call(kPpoll, Word(entries), count, timeout_ns == ~0ull ? 0 : Word(time), Word(mask), 8);
  for (unsigned i = 0; ready > 0 && i < count; ++i) {
    if (entries[i].revents != 0) {
      Fire(owner[i]);
    }
  }
}

}  // namespace k42::host

namespace k42::personality::kernel {
using namespace k42::host;

abi::DispatcherPage* Page() {
  CheckTickets(0);  // nobody tells us of readiness: look whenever events are about to be taken
  return ThePage();
}
void SetEntries(const abi::DispatcherEntries&) {}

void WaitForEvent(std::uint64_t deadline_ns) {
  unsigned long all = ~0ul, none = 0;
  Call(kSigprocmask, 2, Word(&all), 0, 8);
  if (Page()->pending.load() == 0) {
    std::uint64_t timeout = ~0ull;
    if (deadline_ns != 0) {
      const std::uint64_t now = MonotonicNs();
      timeout = deadline_ns > now ? deadline_ns - now : 0;
    }
    CheckTickets(timeout, &none);
  }
  Call(kSigprocmask, 2, Word(&none), 0, 8);
}
void Yield() {
  CheckTickets(0);
}
void SetTimer(std::uint64_t deadline_ns) {
  ArmHostTimer(deadline_ns);
}
bool CancelTicket(std::uint32_t ticket) {
  return DisarmTicket(ticket);
}
Result<std::uint64_t> TicketResult(std::uint32_t) {
  return std::uint64_t{0};
}
void Log(const char* text, std::size_t size) {
  Call(kWrite, 2, Word(text), static_cast<long>(size));
  Call(kWrite, 2, Word("\n"), 1);
}
std::uint64_t MonotonicNs() {
  long time[2];
  Call(kClockGettime, 1, Word(time));
  return static_cast<std::uint64_t>(time[0]) * 1'000'000'000 + static_cast<std::uint64_t>(time[1]);
}
std::int64_t RealtimeNs() {
  long time[2];
  Call(kClockGettime, 0, Word(time));
  return time[0] * 1'000'000'000 + time[1];
}

// -- memory --------------------------------------------------------------------------------------
namespace {
std::uint64_t map_next = abi::kUserMapLimit - (64u << 20);
Result<std::uint64_t> Value(long result) {
  if (result < 0) {
    return StatusOf(result);
  }
  return static_cast<std::uint64_t>(result);
}
Result<Handle> AsHandle(long fd) {
  if (fd < 0) {
    return StatusOf(fd);
  }
  return static_cast<Handle>(fd + 16);
}
}  // namespace

Result<std::uint64_t> Map(const proc::MapRequest& request, Handle object) {
  long flags = request.flags & proc::kMapShared ? 1 : 2;
  flags |= object == kNoHandle ? 0x20 : 0;
  flags |= request.flags & proc::kMapNoReserve ? 0x4000 : 0;
  std::uint64_t address = request.address;
  if (request.flags & proc::kMapFixed) {
    flags |= 0x10;
  } else if (request.flags & proc::kMapFixedNoReplace) {
    flags |= 0x100000;
  } else {
    map_next -= (request.length + 4095) & ~4095ull;
    address = map_next;
    flags |= 0x100000;
  }
  return Value(Call(kMmap, static_cast<long>(address), static_cast<long>(request.length),
                    request.protection, flags, object == kNoHandle ? -1 : FdOf(object),
                    static_cast<long>(request.offset)));
}
Status Unmap(std::uint64_t address, std::uint64_t size) {
  return StatusOf(Call(kMunmap, static_cast<long>(address), static_cast<long>(size)));
}
Status Protect(std::uint64_t address, std::uint64_t size, std::uint32_t protection) {
  return StatusOf(Call(kMprotect, static_cast<long>(address), static_cast<long>(size), protection));
}
Result<std::uint64_t> Remap(std::uint64_t address, std::uint64_t old_size, std::uint64_t new_size,
                            std::uint32_t flags, std::uint64_t new_address) {
  if ((flags & 3) == proc::kRemapMayMove) {
    map_next -= new_size;
    const long in_place = Call(kMremap, static_cast<long>(address), static_cast<long>(old_size),
                               static_cast<long>(new_size), 0, 0);
    if (in_place > 0) {
      return Value(in_place);
    }
    flags |= 2;
    new_address = map_next;
  }
  return Value(Call(kMremap, static_cast<long>(address), static_cast<long>(old_size),
                    static_cast<long>(new_size), flags, static_cast<long>(new_address)));
}
Status Advise(std::uint64_t address, std::uint64_t size, proc::Advice advice) {
  constexpr long kNumbers[] = {0, 1, 2, 3, 4, 8, 10, 11, 18, 19};
  return StatusOf(Call(kMadvise, static_cast<long>(address), static_cast<long>(size),
                       kNumbers[static_cast<int>(advice)]));
}
Status QueryRegion(std::uint64_t address, proc::RegionInfo* info) {
  unsigned char present = 0;
  address &= ~4095ull;
  *info = {};
  info->start = address;
  info->end = address + 4096;
  return Call(27, static_cast<long>(address), 4096, Word(&present)) < 0 ? Status::kNotFound
                                                                        : Status::kOk;
}
Status SyncMemory(std::uint64_t address, std::uint64_t size) {
  return StatusOf(Call(kMsync, static_cast<long>(address), static_cast<long>(size), 4));
}
Status QueryMemory(proc::MemoryUse* use) {
  *use = {};
  return Status::kOk;
}
char* GrowHeap(std::size_t size) {
  static std::uint64_t next;
  if (next == 0) {
    next = StartBlock().heap_begin;
  }
  const long at = Call(kMmap, static_cast<long>(next), static_cast<long>(size), 3, 0x100022, -1, 0);
  if (at < 0) {
    return nullptr;
  }
  next += size;
  return reinterpret_cast<char*>(at);
}
Result<std::uint64_t> ReadMemory(std::uint32_t task, std::uint64_t address, std::uint64_t buffer,
                                 std::uint64_t size) {
  std::uint64_t local[2] = {buffer, size}, remote[2] = {address, size};
  return Value(Call(kProcessVmReadv, task, Word(local), 1, Word(remote), 1, 0));
}
Result<std::uint64_t> WriteMemory(std::uint32_t task, std::uint64_t address, std::uint64_t buffer,
                                  std::uint64_t size) {
  std::uint64_t local[2] = {buffer, size}, remote[2] = {address, size};
  return Value(Call(kProcessVmReadv + 1, task, Word(local), 1, Word(remote), 1, 0));
}
Status WaitWord(std::uint64_t address, std::uint32_t expected, std::uint32_t,
                std::uint32_t ticket) {
  if (*reinterpret_cast<volatile std::uint32_t*>(address) != expected) {
    return Status::kWouldBlock;
  }
  armed[ticket] = {Armed::kFutex, -1, 0, address, expected};
  return Status::kPending;
}
Result<std::uint64_t> WakeWord(std::uint64_t address, std::uint32_t count, std::uint32_t) {
  std::uint64_t woken = 0;
  for (std::uint32_t i = 0; i < abi::kTicketCount && woken < count; ++i) {
    if (armed[i].kind == Armed::kFutex && armed[i].word == address) {
      Fire(i);
      ++woken;
    }
  }
  return woken;
}

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
  armed[ticket] = {Armed::kChild, -1, 0, 0, 0};
  // A child that ended in between has been announced by SIGCHLD before we were armed.
  struct Again {
    int word[32];
  } again{};
  if (Call(kWaitid, type, id, Word(&again), options | 0x01000000, 0) == 0 && again.word[4] != 0) {
    Fire(ticket);
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
  if (ring_head == ring_tail) {
    return Status::kNotFound;
  }
  *info = ring[ring_head++ % kRing];
  return Status::kOk;
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
Result<std::uint32_t> GetText(std::uint32_t, proc::TaskText, void*, std::size_t) {
  return Status::kNotFound;
}
Status SetText(std::uint32_t, proc::TaskText, const void*, std::size_t) {
  return Status::kOk;
}
Result<std::uint64_t> GetOption(std::uint32_t, proc::TaskOption) {
  return std::uint64_t{0};
}
Status SetOption(std::uint32_t, proc::TaskOption, std::uint64_t) {
  return Status::kOk;
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
Status SetNodeName(const char*, std::size_t) {
  return Status::kPermissionDenied;
}
Status GetRandom(void* bytes, std::size_t size) {
  return StatusOf(Call(kGetrandom, Word(bytes), static_cast<long>(size), 0));
}

}  // namespace k42::personality::kernel
