// System V semaphores: the calls. The set itself is in semaphore_set.h, its file in sysv_record.h.
#include <cstring>

#include "user/linux/semaphore_set.h"
#include "user/linux/sysv_record.h"

namespace k42::personality::calls {
namespace {

using namespace sysv;

constexpr U32 kGetPid = 11, kGetValue = 12, kGetAll = 13, kGetUp = 14, kGetZero = 15,
              kSetValue = 16, kSetAll = 17, kSemStat = 18, kSemInfo = 19, kSemStatAny = 20;
constexpr std::uint16_t kForMore = 0, kForZero = 1;  // Waiter::how

struct LinuxSemDescriptor {
  LinuxPermissions permissions;
  I64 operated_at;
  U64 unused1;
  I64 changed_at;
  U64 unused2;
  U64 count;
  U64 unused3[2];
};
static_assert(sizeof(LinuxSemDescriptor) == 104);

struct LinuxSemInfo {
  I32 map, sets_most, all_most, undo_most, of_set_most, operations_most, undo_of_one, undo_size,
      value_most, adjust_most;
};

struct SharedSet : SemaphoreSet {
  static constexpr Kind kKind = Kind::kSemaphores;
};
using OpenSet = Opened<SharedSet>;

bool Ended(I32 pid) {
  proc::TaskInfo info{};
  return kernel::GetTask(static_cast<U32>(pid), &info) != Status::kOk ||
         info.state == proc::TaskState::kZombie;
}

class WantedSet final : public WantedRecord<SharedSet> {
 public:
  WantedSet(SharedSet& first, U32 count) : WantedRecord(first), count_(count) {
    first.count = count;
    first.changed_at = Seconds();
  }
  std::int64_t Matches(I32 id) const override {
    Record record;
    const std::int64_t error = record.Open(Kind::kSemaphores, id, Access::kRead);
    if (error != 0) {  // who may not look learns no more than that it exists
      return error == -kEACCES ? 0 : error == -kEINVAL ? -kEIDRM : error;
    }
    U32 count = 0;
    return record.Read(offsetof(SemaphoreSet, count), &count, sizeof(count)) && count_ <= count
               ? 0
               : -kEINVAL;
  }

 private:
  U32 count_;
};

struct Request {
  I32 id;
  const Operation* operations;
  U32 count;
  U64 deadline;

  bool changes() const {
    for (U32 i = 0; i < count; ++i) {
      if (operations[i].change != 0) {
        return true;
      }
    }
    return false;
  }
  bool fits(const SemaphoreSet& set) const {
    for (U32 i = 0; i < count; ++i) {
      if (operations[i].number >= set.count) {
        return false;
      }
    }
    return true;
  }
};

// Who only waits for zero needs no more than to read, but then nobody knows that he waits.
std::int64_t OpenFor(const Request& request, OpenSet& set) {
  const std::int64_t error = set.Open(request.id, Access::kChange);
  return error == -kEACCES && !request.changes() ? set.Open(request.id, Access::kRead) : error;
}

// One try, and a sleep if it must wait: kAgain after that.
std::int64_t TryOnce(Thread& thread, const Request& request, Sleeper& sleeper) {
  OpenSet set;
  if (const std::int64_t error = OpenFor(request, set)) {
    return error;
  }
  if (!request.fits(*set)) {
    return -kEFBIG;
  }
  set->waiters.Leave(thread.tid);
  const bool undone = set->UndoFor(Ended);
  const auto outcome = set->Apply(thread.task->pid, request.operations, request.count);
  if (outcome.error != 0 || !outcome.waits) {
    set->operated_at = outcome.error == 0 ? Seconds() : set->operated_at;
    const bool kept = set.Close(outcome.error == 0 || undone);
    return outcome.error != 0 || kept ? outcome.error : -kENOMEM;
  }
  const Operation& waits = *outcome.waits;
  if ((static_cast<U32>(waits.flags) & kIpcNoWait) != 0 ||
      (request.deadline != 0 && kernel::MonotonicNs() >= request.deadline)) {
    (void)set.Close(undone);
    return -kEAGAIN;
  }
  // Others that have something to undo may end without a word.
  const bool told = set->undo_count == 0;
  const Waiter waiter{thread.tid, waits.number, waits.change == 0 ? kForZero : kForMore};
  const std::int64_t slept = set.Wait(request.id, waiter, undone, told, sleeper, request.deadline);
  return slept == 0 ? kAgain : slept;
}

std::int64_t Operate(Thread& thread, I32 id, Address address, U32 count, U64 deadline) {
  if (count == 0 || id < 0) {
    return -kEINVAL;
  }
  if (count > SemaphoreSet::kOperationsMost) {
    return -kE2BIG;
  }
  Buffer copy(count * sizeof(Operation));
  if (!copy) {
    return -kENOMEM;
  }
  if (!CopyIn(copy.data(), address, count * sizeof(Operation))) {
    return -kEFAULT;
  }
  const Request request{id, copy.As<Operation>(), count, deadline};
  const std::int64_t answer =
      UntilDone(thread, [&](Sleeper& sleeper) { return TryOnce(thread, request, sleeper); });
  return answer == -kERESTARTNOHAND ? -kEINTR : answer;  // a wait is never begun again
}

// GETALL and SETALL.
std::int64_t AllValues(SharedSet& set, Address address, bool store, I32 pid) {
  Buffer buffer(set.count * sizeof(std::uint16_t));
  if (!buffer) {
    return -kENOMEM;
  }
  auto* values = buffer.As<std::uint16_t>();
  const std::size_t size = set.count * sizeof(std::uint16_t);
  if (!store) {
    for (U32 i = 0; i < set.count; ++i) {
      values[i] = set.semaphore(i).value;
    }
    return CopyOut(address, values, size) ? 0 : -kEFAULT;
  }
  if (!CopyIn(values, address, size)) {
    return -kEFAULT;
  }
  for (U32 i = 0; i < set.count; ++i) {
    if (values[i] > SemaphoreSet::kValueMost) {
      return -kERANGE;
    }
  }
  for (U32 i = 0; i < set.count; ++i) {
    set.SetValue(i, values[i], pid);
  }
  set.changed_at = Seconds();
  return 0;
}

std::int64_t SetOne(SharedSet& set, I32 number, I32 value, I32 pid) {
  if (value < 0 || value > SemaphoreSet::kValueMost) {
    return -kERANGE;
  }
  set.SetValue(static_cast<U32>(number), static_cast<std::uint16_t>(value), pid);
  set.changed_at = Seconds();
  return 0;
}

std::int64_t ChangePermissions(I32 id, Address address) {
  LinuxSemDescriptor wanted;
  if (!ReadUser(&wanted, address)) {
    return -kEFAULT;
  }
  const std::int64_t error = sysv::Change(Kind::kSemaphores, id, wanted.permissions);
  OpenSet set;
  if (error == 0 && set.Open(id, Access::kChange) == 0) {
    set->changed_at = Seconds();
    return set.Close(false) ? 0 : -kENOMEM;
  }
  return error;
}

std::int64_t Show(OpenSet& set, I32 id, Address address) {
  LinuxSemDescriptor shown{};
  sysv::Fill(Kind::kSemaphores, id, set.attributes(), &shown.permissions);
  shown.operated_at = set->operated_at;
  shown.changed_at = set->changed_at;
  shown.count = set->count;
  return WriteUser(address, shown) ? 0 : -kEFAULT;
}

// What may be, or (SEM_INFO) also what is.
std::int64_t ShowInfo(bool used, Address address) {
  constexpr I32 kSetsMost = 32000, kAll = kSetsMost * static_cast<I32>(SemaphoreSet::kMost);
  constexpr auto kOperations = static_cast<I32>(SemaphoreSet::kOperationsMost);
  LinuxSemInfo info{kAll,
                    kSetsMost,
                    kAll,
                    kAll,
                    SemaphoreSet::kMost,
                    kOperations,
                    kOperations,
                    sizeof(Undo),
                    SemaphoreSet::kValueMost,
                    SemaphoreSet::kValueMost};
  U64 sets = 0, semaphores = 0;
  Objects objects(Kind::kSemaphores);
  for (I32 id; (id = objects.Next()) >= 0; ++sets) {
    Record record;
    U32 count = 0;
    if (used && record.Open(Kind::kSemaphores, id, Access::kRead) == 0 &&
        record.Read(offsetof(SemaphoreSet, count), &count, sizeof(count))) {
      semaphores += count;
    }
  }
  if (used) {
    info.undo_size = static_cast<I32>(sets);
    info.adjust_most = static_cast<I32>(semaphores);
  }
  return WriteUser(address, info) ? HighestIndex(sets) : -kEFAULT;
}

}  // namespace

Reply SemGet(Thread&, I32 key, I32 count, U32 flags) {
  if (count < 0 || static_cast<U32>(count) > SemaphoreSet::kMost ||
      (count == 0 && key == kIpcPrivate)) {
    return -kEINVAL;
  }
  Buffer memory(sizeof(SharedSet));
  if (!memory) {
    return -kENOMEM;
  }
  std::memset(memory.data(), 0, sizeof(SharedSet));
  const WantedSet wanted(*memory.As<SharedSet>(), static_cast<U32>(count));
  const std::int64_t id =
      sysv::Get(Kind::kSemaphores, key, count == 0 ? flags & ~kIpcCreate : flags, wanted);
  return id == -kENOENT && count == 0 && (flags & kIpcCreate) != 0 ? -kEINVAL : id;
}

Reply SemOperate(Thread& thread, I32 id, Address operations, U32 count) {
  return Operate(thread, id, operations, count, 0);
}

Reply SemTimedOperate(Thread& thread, I32 id, Address operations, U32 count, Address timeout) {
  U64 deadline = 0;
  if (timeout != 0) {
    std::int64_t ns = 0;
    if (const std::int64_t error = ReadTimespec(timeout, &ns)) {
      return error;
    }
    deadline = DeadlineAfter(ns);
  }
  return Operate(thread, id, operations, count, deadline);
}

Reply SemControl(Thread& thread, I32 id, I32 number, U32 command, U64 argument) {
  command &= 0xff;
  if (command == kIpcRemove) {
    return OpenSet::RemoveAndTell(id);
  }
  if (command == kIpcSet) {
    return ChangePermissions(id, argument);
  }
  if (command == kIpcInfo || command == kSemInfo) {
    return ShowInfo(command == kSemInfo, argument);
  }
  OpenSet set;
  if (command == kSemStat || command == kSemStatAny) {
    const std::int64_t found = IdAt(Kind::kSemaphores, id);
    std::int64_t error = found < 0 ? found : set.Open(static_cast<I32>(found), Access::kRead);
    error = error != 0 ? error : Show(set, static_cast<I32>(found), argument);
    return error != 0 ? error : found;
  }
  const bool sets = command == kSetValue || command == kSetAll;
  if (const std::int64_t error = set.Open(id, sets ? Access::kChange : Access::kRead)) {
    return error;
  }
  const bool of_one = command == kGetPid || command == kGetValue || command == kGetUp ||
                      command == kGetZero || command == kSetValue;
  if (of_one && (number < 0 || static_cast<U32>(number) >= set->count)) {
    return -kEINVAL;
  }
  // Whoever only looks sees what will be; it is written by the next who may.
  const bool undone = set->UndoFor(Ended);
  const Semaphore& one = set->semaphore(of_one ? static_cast<U32>(number) : 0);
  const I32 pid = thread.task->pid;
  std::int64_t answer = 0;
  switch (command) {
    case kIpcStat:
      return Show(set, id, argument);
    case kGetValue:
      return one.value;
    case kGetPid:
      return one.pid;
    case kGetUp:
    case kGetZero:
      return set->waiters.Count(static_cast<U32>(number),
                                command == kGetZero ? kForZero : kForMore);
    case kGetAll:
      return AllValues(*set, argument, false, pid);
    case kSetValue:
      answer = SetOne(*set, number, static_cast<I32>(argument), pid);
      break;
    case kSetAll:
      answer = AllValues(*set, argument, true, pid);
      break;
    default:
      return -kEINVAL;
  }
  const bool kept = set.Close(undone || answer == 0);
  return answer != 0 || kept ? answer : -kENOMEM;
}

}  // namespace k42::personality::calls
