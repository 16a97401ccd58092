// The seam (user/linux/kernel.h) over the host's Linux: dispatcher, tickets, memory.
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
bool TakePosted(proc::SignalInfo* info) {
  if (ring_head == ring_tail) {
    return false;
  }
  *info = ring[ring_head++ % kRing];
  return true;
}
void ArmChild(std::uint32_t ticket) {
  armed[ticket] = {Armed::kChild, -1, 0, 0, 0};
}
void FireTicket(std::uint32_t ticket) {
  Fire(ticket);
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

namespace {
constinit std::atomic<std::uint32_t> nothing_traced{0};
}  // namespace
const std::atomic<std::uint32_t>* const trace_mask = &nothing_traced;

abi::DispatcherPage* Page() {
  CheckTickets(0);  // nobody tells us of readiness: look whenever events are about to be taken
  return ThePage();
}
void SetEntries(const abi::DispatcherEntries&) {}
// One processor is all that a process has here.
Result<std::uint32_t> AddDispatcher(std::uint32_t, const abi::UserState&) {
  return Status::kNotSupported;
}
void Notify(std::uint32_t) {}
void Park() {}

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
bool HasTimePage() {
  return false;
}
std::uint64_t MonotonicNs() {
  long time[2];
  Call(kClockGettime, 1, Word(time));
  return static_cast<std::uint64_t>(time[0]) * 1'000'000'000 + static_cast<std::uint64_t>(time[1]);
}
std::uint64_t UsedNs(std::uint32_t) {
  constexpr long kProcessCpu = 2;
  long time[2];
  Call(kClockGettime, kProcessCpu, Word(time));
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
}  // namespace

Result<std::uint64_t> Map(const proc::MapRequest& request, Handle object) {
  long flags = request.flags & proc::kMapShared ? 1 : 2;
  flags |= object == kNoHandle ? 0x20 : 0;
  flags |= request.flags & proc::kMapNoReserve ? 0x4000 : 0;
  flags |= request.flags & proc::kMapLarge ? 0x40000 : 0;
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
Result<Handle> MemoryOf(Handle file) {
  return Duplicate(file);
}
Result<std::uint64_t> MapMemory(const proc::MapRequest& request, Handle memory) {
  return Map(request, memory);
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
  constexpr long kNumbers[] = {0, 1, 2, 3, 4, 8, 10, 11, 18, 19, 14, 15};
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

}  // namespace k42::personality::kernel
