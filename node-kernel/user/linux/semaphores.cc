// System V semaphores (sysv_record.h). What a process would have undone at its end (SEM_UNDO)
// stands in the record by its number, and is undone by whoever next finds that it has ended: at
// once when it looks, within kLookAgain when it waits.
#include <cstring>

#include "user/linux/sysv_record.h"

namespace k42::personality::calls {
namespace {

using namespace sysv;

constexpr U32 kSetsMost = 500;        // semaphores of a set
constexpr U32 kOperationsMost = 500;  // of a call
constexpr I32 kValueMost = 32767;
constexpr U32 kUndo = 010000;
constexpr U32 kGetPid = 11, kGetValue = 12, kGetAll = 13, kGetUp = 14, kGetZero = 15,
              kSetValue = 16, kSetAll = 17;
constexpr U64 kLookAgain = 200'000'000;

struct Semaphore {
  std::uint16_t value;
  std::uint16_t pad;
  I32 pid;  // of the last operation
};
struct Undo {
  I32 pid;
  std::uint16_t number;
  std::int16_t change;
};
struct Set {
  I32 key;
  U32 count;
  I64 operated_at, changed_at;
  Waiters waiters;
  U32 undo_count;
  U32 pad;
  static constexpr U32 kUndoMost = 64;
  Undo undo[kUndoMost];
  Semaphore semaphores[kSetsMost];

  std::size_t size() const { return offsetof(Set, semaphores) + count * sizeof(Semaphore); }
};

struct Operation {  // sembuf
  std::uint16_t number;
  std::int16_t change;
  std::int16_t flags;
};

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

std::int64_t Seconds() {
  return kernel::RealtimeNs() / kNsPerSecond;
}

// A set in memory, with the record it came from.
class OpenSet {
 public:
  OpenSet() : memory_(sizeof(Set)) {}
  Set& operator*() { return *memory_.As<Set>(); }
  Set* operator->() { return memory_.As<Set>(); }
  Record& record() { return record_; }

  std::int64_t Open(I32 id) {
    if (!memory_) {
      return -kENOMEM;
    }
    if (const std::int64_t error = record_.Open(Kind::kSemaphores, id)) {
      return error;
    }
    Set& set = **this;
    return record_.Read(0, &set, offsetof(Set, semaphores)) && set.count <= kSetsMost &&
                   record_.Read(0, &set, set.size())
               ? 0
               : -kEINVAL;
  }
  // Writes it back; when it has changed, those who wait look again.
  void Close(bool changed) {
    Waiters woken{};
    if (changed) {
      woken = (*this)->waiters;
      (*this)->waiters.count = 0;
    }
    (void)record_.Write(0, &**this, (*this)->size());
    record_.Close();
    WakeAll(woken);
  }

 private:
  Buffer memory_;
  Record record_;
};

bool Ended(I32 pid) {
  proc::TaskInfo info{};
  return kernel::GetTask(static_cast<U32>(pid), &info) != Status::kOk ||
         info.state == proc::TaskState::kZombie;
}

// True: something was undone.
bool UndoForEnded(Set& set) {
  bool changed = false;
  U32 kept = 0;
  for (U32 i = 0; i < set.undo_count; ++i) {
    const Undo undo = set.undo[i];
    if (!Ended(undo.pid)) {
      set.undo[kept++] = undo;
      continue;
    }
    if (undo.number < set.count) {
      Semaphore& semaphore = set.semaphores[undo.number];
      const I32 value = semaphore.value + undo.change;
      semaphore.value = static_cast<std::uint16_t>(value < 0            ? 0
                                                   : value > kValueMost ? kValueMost
                                                                        : value);
      semaphore.pid = undo.pid;
      changed = true;
    }
  }
  set.undo_count = kept;
  return changed;
}

// 0, or -ENOSPC.
std::int64_t Remember(Set& set, I32 pid, std::uint16_t number, I32 change) {
  for (U32 i = 0; i < set.undo_count; ++i) {
    if (set.undo[i].pid == pid && set.undo[i].number == number) {
      set.undo[i].change = static_cast<std::int16_t>(set.undo[i].change + change);
      return 0;
    }
  }
  if (set.undo_count == Set::kUndoMost) {
    return -kENOSPC;
  }
  set.undo[set.undo_count++] = {pid, number, static_cast<std::int16_t>(change)};
  return 0;
}

struct Outcome {
  std::int64_t error;      // 0: all done
  const Operation* waits;  // who cannot go on: wait, unless it says no
};

// All of the operations or none.
Outcome Apply(Set& set, I32 pid, const Operation* operations, U32 count) {
  std::uint16_t before[kOperationsMost];
  U32 done = 0;
  Outcome outcome{0, nullptr};
  for (; done < count; ++done) {
    const Operation& operation = operations[done];
    Semaphore& semaphore = set.semaphores[operation.number];
    before[done] = semaphore.value;
    const I32 value = semaphore.value + operation.change;
    if (operation.change == 0 ? semaphore.value != 0 : value < 0) {
      outcome.waits = &operation;
      break;
    }
    if (value > kValueMost) {
      outcome.error = -kERANGE;
      break;
    }
    semaphore.value = static_cast<std::uint16_t>(value);
  }
  if (done < count) {  // back, last first: one semaphore may occur twice
    while (done > 0) {
      --done;
      set.semaphores[operations[done].number].value = before[done];
    }
    return outcome;
  }
  for (U32 i = 0; i < count; ++i) {
    set.semaphores[operations[i].number].pid = pid;
    if ((static_cast<U32>(operations[i].flags) & kUndo) != 0 && operations[i].change != 0) {
      (void)Remember(set, pid, operations[i].number, -operations[i].change);
    }
  }
  set.operated_at = Seconds();
  return outcome;
}

std::int64_t Operate(Thread& thread, I32 id, Address address, U32 count, U64 deadline) {
  if (count == 0 || id < 0) {
    return -kEINVAL;
  }
  if (count > kOperationsMost) {
    return -kE2BIG;
  }
  Buffer copy(count * sizeof(Operation));
  if (!copy) {
    return -kENOMEM;
  }
  if (!CopyIn(copy.data(), address, count * sizeof(Operation))) {
    return -kEFAULT;
  }
  const auto* operations = copy.As<Operation>();
  Sleeper* sleeper = nullptr;
  alignas(Sleeper) unsigned char place[sizeof(Sleeper)];
  std::int64_t answer = 0;
  for (bool waited = false;; waited = true) {
    OpenSet set;
    if (const std::int64_t error = set.Open(id)) {
      answer = waited && error == -kEINVAL ? -kEIDRM : error;
      break;
    }
    for (U32 i = 0; i < count && answer == 0; ++i) {
      answer = operations[i].number >= set->count ? -kEFBIG : 0;
    }
    if (answer != 0) {
      break;
    }
    Leave(set->waiters, thread.tid);
    const bool undone = UndoForEnded(*set);
    const Outcome outcome = Apply(*set, thread.task->pid, operations, count);
    if (outcome.error != 0 || !outcome.waits) {
      set.Close(outcome.error == 0 || undone);
      answer = outcome.error;
      break;
    }
    const bool no_wait = (static_cast<U32>(outcome.waits->flags) & kIpcNoWait) != 0;
    const U64 now = kernel::MonotonicNs();
    if (no_wait || (deadline != 0 && now >= deadline)) {
      set.Close(undone);
      answer = -kEAGAIN;
      break;
    }
    if (!sleeper) {
      sleeper = ::new (place) Sleeper(thread);
      if (!sleeper->ready()) {
        answer = -kENOMEM;
        break;
      }
    }
    // Others that have something to undo may end without a word, and a full list tells nobody.
    const std::uint16_t how = outcome.waits->change == 0 ? 1 : 0;
    const bool told =
        Enter(set->waiters, {thread.tid, outcome.waits->number, how}) && set->undo_count == 0;
    set.Close(undone);
    const U64 look = told ? 0 : now + kLookAgain;
    const bool own_end = deadline != 0 && (look == 0 || deadline < look);
    if (sleeper->Sleep(own_end ? deadline : look) == -kEINTR) {
      answer = -kEINTR;
      OpenSet again;
      if (again.Open(id) == 0) {
        Leave(again->waiters, thread.tid);
        again.Close(false);
      }
      break;
    }
  }
  if (sleeper) {
    sleeper->~Sleeper();
  }
  return answer;
}

std::int64_t CountFits(Record& record, U64 wanted) {
  Set head;
  return !record.Read(0, &head, offsetof(Set, waiters)) || wanted > head.count ? -kEINVAL : 0;
}

// GETALL and SETALL.
std::int64_t AllValues(Set& set, Address address, bool store, I32 pid) {
  Buffer buffer(set.count * sizeof(std::uint16_t));
  if (!buffer) {
    return -kENOMEM;
  }
  auto* values = buffer.As<std::uint16_t>();
  if (!store) {
    for (U32 i = 0; i < set.count; ++i) {
      values[i] = set.semaphores[i].value;
    }
    return CopyOut(address, values, buffer.size()) ? 0 : -kEFAULT;
  }
  if (!CopyIn(values, address, buffer.size())) {
    return -kEFAULT;
  }
  for (U32 i = 0; i < set.count; ++i) {
    if (values[i] > kValueMost) {
      return -kERANGE;
    }
  }
  for (U32 i = 0; i < set.count; ++i) {
    set.semaphores[i].value = values[i];
    set.semaphores[i].pid = pid;
  }
  set.undo_count = 0;
  return 0;
}

std::int64_t CountWaiters(const Set& set, I32 number, std::uint16_t how) {
  std::int64_t count = 0;
  for (U32 i = 0; i < set.waiters.count; ++i) {
    count += set.waiters.list[i].on == number && set.waiters.list[i].how == how;
  }
  return count;
}

}  // namespace

Reply SemGet(Thread&, I32 key, I32 count, U32 flags) {
  if (count < 0 || static_cast<U32>(count) > kSetsMost) {
    return -kEINVAL;
  }
  Buffer memory(sizeof(Set));
  if (!memory) {
    return -kENOMEM;
  }
  std::memset(memory.data(), 0, sizeof(Set));
  Set& set = *memory.As<Set>();
  set.key = key;
  set.count = static_cast<U32>(count);
  set.changed_at = Seconds();
  const std::int64_t id =
      count == 0 && (key == kIpcPrivate)
          ? -kEINVAL
          : sysv::Get(Kind::kSemaphores, key, count == 0 ? flags & ~kIpcCreate : flags, &set,
                      set.size(), &CountFits, static_cast<U64>(count));
  return id == -kENOENT && count == 0 && (flags & kIpcCreate) != 0 ? -kEINVAL : id;
}

Reply SemOperate(Thread& thread, I32 id, Address operations, U32 count) {
  return Operate(thread, id, operations, count, 0);
}

Reply SemTimedOperate(Thread& thread, I32 id, Address operations, U32 count, Address timeout) {
  U64 deadline = 0;
  if (timeout != 0) {
    LinuxTimespec time;
    if (!ReadUser(&time, timeout)) {
      return -kEFAULT;
    }
    const std::int64_t ns = FromTimespec(time);
    if (ns < 0) {
      return -kEINVAL;
    }
    deadline = DeadlineAfter(ns);
  }
  return Operate(thread, id, operations, count, deadline);
}

Reply SemControl(Thread& thread, I32 id, I32 number, U32 command, U64 argument) {
  command &= 0xff;
  OpenSet set;
  if (const std::int64_t error = id < 0 ? -kEINVAL : set.Open(id)) {
    return error;
  }
  const bool of_one = command == kGetPid || command == kGetValue || command == kGetUp ||
                      command == kGetZero || command == kSetValue;
  if (of_one && (number < 0 || static_cast<U32>(number) >= set->count)) {
    return -kEINVAL;
  }
  const bool undone = UndoForEnded(*set);
  const I32 pid = thread.task->pid;
  Semaphore& one = set->semaphores[of_one ? number : 0];
  std::int64_t answer = 0;
  bool changed = undone;
  switch (command) {
    case kIpcRemove:
      answer = sysv::Remove(Kind::kSemaphores, id);
      changed = answer == 0;
      break;
    case kIpcSet: {
      LinuxSemDescriptor wanted;
      if (!ReadUser(&wanted, argument)) {
        answer = -kEFAULT;
        break;
      }
      set->changed_at = Seconds();
      const Status status = set.record().Change(wanted.permissions);
      answer = status == Status::kPermissionDenied ? -kEPERM : ErrnoOf(status);
      break;
    }
    case kIpcStat: {
      LinuxSemDescriptor shown{};
      set.record().Fill(set->key, &shown.permissions);
      shown.operated_at = set->operated_at;
      shown.changed_at = set->changed_at;
      shown.count = set->count;
      answer = WriteUser(argument, shown) ? 0 : -kEFAULT;
      break;
    }
    case kGetValue:
      answer = one.value;
      break;
    case kGetPid:
      answer = one.pid;
      break;
    case kGetUp:
    case kGetZero:
      answer = CountWaiters(*set, number, command == kGetZero ? 1 : 0);
      break;
    case kSetValue:
      if (static_cast<I32>(argument) < 0 || static_cast<I32>(argument) > kValueMost) {
        answer = -kERANGE;
        break;
      }
      one.value = static_cast<std::uint16_t>(argument);
      one.pid = pid;
      set->changed_at = Seconds();
      changed = true;
      break;
    case kGetAll:
    case kSetAll:
      answer = AllValues(*set, argument, command == kSetAll, pid);
      changed |= command == kSetAll && answer == 0;
      break;
    default:
      answer = -kEINVAL;
      break;
  }
  set.Close(changed);
  return answer;
}

}  // namespace k42::personality::calls
