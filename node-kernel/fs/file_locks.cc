#include "fs/file_locks.h"

#include <utility>

#include "machine/thread.h"
#include "mem/heap.h"
#include "proc/ticket_number.h"

namespace k42::fs {
namespace {
constexpr std::uint64_t kEndless = ~std::uint64_t{0};
constexpr int kMostLooks = 64;  // at what stands in somebody's way, for a deadlock
}  // namespace

FileLocks::~FileLocks() {
  Leftovers left;
  for (LockSet* set : {&ranges_, &whole_}) {
    left.locks.Append(set->held);
    left.locks.Append(set->waiting);
  }
  Free(left);
}

void FileLocks::Dispose() {
  mem::Delete(this);
}

bool FileLocks::IsInTheWay(const Lock& lock, const Lock& wanted) {
  return !(lock.holder == wanted.holder) && lock.start < wanted.end && wanted.start < lock.end &&
         (lock.kind == LockKind::kExclusive || wanted.kind == LockKind::kExclusive);
}

FileLocks::Lock* FileLocks::Conflict(const LockSet& set, const Lock& wanted) {
  for (const List* list : {&set.held, &set.promised}) {
    for (Lock& lock : *list) {
      if (IsInTheWay(lock, wanted)) {
        return &lock;
      }
    }
  }
  return nullptr;
}

bool FileLocks::WaitsFor(const LockSet& set, const LockHolder& who, const LockHolder& whom,
                         int* looks) {
  for (const Lock& waiter : set.waiting) {
    if (!(waiter.holder == who)) {
      continue;
    }
    if (--*looks < 0) {
      return false;
    }
    machine::Thread::PreemptionPoint();
    const Lock* in_the_way = Conflict(set, waiter);
    if (in_the_way != nullptr &&
        (in_the_way->holder == whom || WaitsFor(set, in_the_way->holder, whom, looks))) {
      return true;
    }
  }
  return false;
}

void FileLocks::Carve(List& held, const Lock& change, List& gone, Lock** spare) {
  Lock* next = nullptr;
  for (Lock* lock = held.Front(); lock != nullptr; lock = next) {
    next = held.Next(lock);
    if (!(lock->holder == change.holder) || lock->end <= change.start ||
        change.end <= lock->start) {
      continue;
    }
    if (lock->start < change.start && change.end < lock->end) {
      Lock* tail = std::exchange(*spare, nullptr);  // one range can be inside at most one lock
      tail->holder = lock->holder;
      tail->kind = lock->kind;
      tail->start = change.end;
      tail->end = lock->end;
      held.InsertAfter(lock, tail);
      lock->end = change.start;
    } else if (lock->start < change.start) {
      lock->end = change.start;
    } else if (change.end < lock->end) {
      lock->start = change.end;
    } else {
      List::Remove(lock);
      gone.PushBack(lock);
    }
  }
}

void FileLocks::Hold(LockSet& set, Lock* lock, Leftovers& left) {
  Carve(set.held, *lock, left.locks, &lock->spare);
  if (lock->spare != nullptr) {
    left.locks.PushBack(std::exchange(lock->spare, nullptr));
  }
  set.held.PushBack(lock);
}

void FileLocks::PromiseWaiters(LockSet& set, Leftovers& left) {
  Lock* next = nullptr;
  for (Lock* waiter = set.waiting.Front(); waiter != nullptr; waiter = next) {
    next = set.waiting.Next(waiter);
    machine::Thread::PreemptionPoint();
    if (Conflict(set, *waiter) == nullptr) {
      List::Remove(waiter);
      set.promised.PushBack(waiter);
      left.promises = true;
    }
  }
}

// Each promise is told by one thread, which alone takes it off its list.
void FileLocks::Settle(LockSet FileLocks::*which) {
  for (;;) {
    Lock* promise = nullptr;
    {
      machine::MutexGuard guard(lock_);
      for (Lock& each : (this->*which).promised) {
        if (!each.fired) {
          promise = &each;
          promise->fired = true;
          break;
        }
      }
    }
    if (promise == nullptr) {
      return;
    }
    const bool was_told = IsOk(promise->ticket.Fire(Status::kOk, 0));
    Leftovers left;
    {
      machine::MutexGuard guard(lock_);
      LockSet& set = this->*which;
      List::Remove(promise);
      if (was_told && !promise->dropped) {
        Hold(set, promise, left);
      } else {
        left.locks.PushBack(promise);
      }
      PromiseWaiters(set, left);  // passed on, or exclusive made shared
    }
    Free(left);
  }
}

void FileLocks::Free(Leftovers& left) {
  while (Lock* lock = left.locks.PopFront()) {
    mem::Delete(lock->spare);
    mem::Delete(lock);
  }
  while (LockingProcess* process = left.processes.PopFront()) {
    process->Leave();
    process->DropReference();
  }
}

void FileLocks::Finish(Leftovers& left) {
  if (left.promises) {
    Settle(&FileLocks::ranges_);
    Settle(&FileLocks::whole_);
  }
  Free(left);
}

void FileLocks::ForgetWait(LockSet& set, const cobj::Ticket& ticket, Leftovers& left) {
  for (Lock& waiter : set.waiting) {
    if (proc::SameNumber(waiter.ticket, ticket)) {
      List::Remove(&waiter);
      left.locks.PushBack(&waiter);
      return;  // there is one of a number
    }
  }
}

Status FileLocks::SetLocked(LockSet& set, Lock*& lock, Leftovers& left) {
  for (const Lock& promise : set.promised) {
    if (promise.holder == lock->holder) {
      return Status::kBusy;
    }
  }
  const bool releases = lock->kind == LockKind::kNone;
  if (!releases && lock->holder.process != 0 && !IsKnownLocked(lock->holder.process)) {
    return Status::kNotFound;
  }
  const Lock* in_the_way = releases ? nullptr : Conflict(set, *lock);
  if (in_the_way == nullptr) {
    if (releases) {
      Carve(set.held, *lock, left.locks, &lock->spare);
    } else {
      Hold(set, std::exchange(lock, nullptr), left);
    }
    PromiseWaiters(set, left);  // a release, or exclusive made shared
    return Status::kOk;
  }
  if (!lock->ticket) {
    return Status::kWouldBlock;
  }
  ForgetWait(set, lock->ticket, left);  // an earlier one that was given up
  int looks = kMostLooks;
  if (lock->holder.process != 0 && WaitsFor(set, in_the_way->holder, lock->holder, &looks)) {
    return Status::kDeadlock;
  }
  set.waiting.PushBack(std::exchange(lock, nullptr));
  return Status::kPending;
}

Status FileLocks::SetIn(LockSet FileLocks::*which, const Lock& wanted) {
  // Made before the lock is taken: what is to be held, and what a split needs.
  Lock* lock = TRY(mem::New<Lock>());
  const auto spare = mem::New<Lock>();
  if (!spare.ok()) {
    mem::Delete(lock);
    return spare.status();
  }
  lock->holder = wanted.holder;
  lock->kind = wanted.kind;
  lock->start = wanted.start;
  lock->end = wanted.end;
  lock->ticket = wanted.ticket;
  lock->spare = spare.value();
  for (;;) {
    Leftovers left;
    Status status;
    {
      machine::MutexGuard guard(lock_);
      DropEndedLocked(left);
      status = SetLocked(this->*which, lock, left);
    }
    if (status != Status::kBusy && lock != nullptr) {
      left.locks.PushBack(lock);
    }
    Finish(left);
    if (status != Status::kBusy) {
      return status;
    }
    machine::Thread::Yield();  // another thread is telling
  }
}

Status FileLocks::Set(const LockHolder& holder, const RangeLock& wanted, cobj::Ticket ticket) {
  Lock lock;
  lock.holder = holder;
  lock.kind = wanted.kind;
  lock.start = wanted.start;
  lock.end = wanted.length == 0 || wanted.length > kEndless - wanted.start
                 ? kEndless
                 : wanted.start + wanted.length;
  lock.ticket = ticket;
  return SetIn(&FileLocks::ranges_, lock);
}

Status FileLocks::SetWhole(const LockHolder& holder, LockKind kind, cobj::Ticket ticket) {
  Lock lock;
  lock.holder = holder;
  lock.kind = kind;
  lock.end = kEndless;
  lock.ticket = ticket;
  return SetIn(&FileLocks::whole_, lock);
}

void FileLocks::Query(const LockHolder& holder, const RangeLock& wanted, RangeLock* found) {
  Lock lock;
  lock.holder = holder;
  lock.kind = wanted.kind;
  lock.start = wanted.start;
  lock.end = wanted.length == 0 || wanted.length > kEndless - wanted.start
                 ? kEndless
                 : wanted.start + wanted.length;
  Leftovers left;
  {
    machine::MutexGuard guard(lock_);
    DropEndedLocked(left);
    const Lock* first = nullptr;
    for (const List* list : {&ranges_.held, &ranges_.promised}) {
      for (const Lock& each : *list) {
        if (IsInTheWay(each, lock) && (first == nullptr || each.start < first->start)) {
          first = &each;
        }
      }
    }
    if (first != nullptr) {
      found->kind = first->kind;
      found->start = first->start;
      found->length = first->end == kEndless ? 0 : first->end - first->start;
      found->process = first->holder.process;
      found->owner =
          first->holder.open_file != nullptr ? LockOwner::kOpenFile : LockOwner::kProcess;
    }
  }
  Finish(left);
}

void FileLocks::DropIn(LockSet& set, const LockHolder& holder, Leftovers& left) {
  for (List* list : {&set.held, &set.waiting}) {
    Lock* next = nullptr;
    for (Lock* lock = list->Front(); lock != nullptr; lock = next) {
      next = list->Next(lock);
      if (lock->holder == holder) {
        List::Remove(lock);
        left.locks.PushBack(lock);
      }
    }
  }
  for (Lock& promise : set.promised) {
    promise.dropped |= promise.holder == holder;
  }
  PromiseWaiters(set, left);
}

void FileLocks::DropOwner(const LockHolder& holder) {
  Leftovers left;
  {
    machine::MutexGuard guard(lock_);
    DropIn(ranges_, holder, left);
    DropIn(whole_, holder, left);
    LockingProcess* next = nullptr;
    for (LockingProcess* process = processes_.Front(); process != nullptr; process = next) {
      next = processes_.Next(process);
      if (process->number() == holder.process) {
        Processes::Remove(process);
        left.processes.PushBack(process);
      }
    }
  }
  Finish(left);
}

void FileLocks::Withdraw(const cobj::Ticket& ticket) {
  Leftovers left;
  {
    machine::MutexGuard guard(lock_);
    ForgetWait(ranges_, ticket, left);
    ForgetWait(whole_, ticket, left);
  }
  Free(left);
}

// -- processes ------------------------------------------------------------------------------------

bool FileLocks::IsKnownLocked(std::uint32_t number) const {
  for (const LockingProcess& process : processes_) {
    if (process.number() == number) {
      return true;
    }
  }
  return false;
}

bool FileLocks::AddProcess(LockingProcess& process) {
  Leftovers left;
  bool added = false;
  {
    machine::MutexGuard guard(lock_);
    DropEndedLocked(left);
    if (!IsKnownLocked(process.number())) {
      process.AddReference();
      processes_.PushBack(&process);
      added = true;
    }
  }
  Finish(left);
  return added;
}

void FileLocks::DropEndedLocked(Leftovers& left) {
  LockingProcess* next = nullptr;
  for (LockingProcess* process = processes_.Front(); process != nullptr; process = next) {
    next = processes_.Next(process);
    if (process->has_ended()) {
      Processes::Remove(process);
      left.processes.PushBack(process);
      DropIn(ranges_, LockHolder::Process(process->number()), left);
    }
  }
}

void FileLocks::DropEnded() {
  Leftovers left;
  {
    machine::MutexGuard guard(lock_);
    DropEndedLocked(left);
  }
  Finish(left);
}

void FileLocks::FileGone() {
  Leftovers left;
  {
    machine::MutexGuard guard(lock_);
    left.processes.Append(processes_);
  }
  Free(left);
}

}  // namespace k42::fs
