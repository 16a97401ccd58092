#include "fs/file_locks.h"

#include <utility>

#include "mem/heap.h"

namespace k42::fs {
namespace {
constexpr std::uint64_t kEndless = ~std::uint64_t{0};
constexpr int kMaxChain = 16;  // holders looked at for a deadlock
}  // namespace

FileLocks::~FileLocks() {
  for (LockSet* set : {&ranges_, &whole_}) {
    List granted;
    List gone;
    gone.Append(set->held);
    gone.Append(set->waiting);
    Finish(gone, granted);
  }
}

FileLocks::Lock* FileLocks::Conflict(const List& held, const Lock& wanted) {
  for (Lock& lock : held) {
    if (!(lock.holder == wanted.holder) && lock.start < wanted.end && wanted.start < lock.end &&
        (lock.kind == LockKind::kExclusive || wanted.kind == LockKind::kExclusive)) {
      return &lock;
    }
  }
  return nullptr;
}

bool FileLocks::WaitsFor(const LockSet& set, const LockHolder& who, const LockHolder& whom,
                         int depth) {
  for (const Lock& waiter : set.waiting) {
    if (!(waiter.holder == who)) {
      continue;
    }
    const Lock* in_the_way = Conflict(set.held, waiter);
    if (in_the_way != nullptr &&
        (in_the_way->holder == whom ||
         (depth > 0 && WaitsFor(set, in_the_way->holder, whom, depth - 1)))) {
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

// A granted waiter leaves the queue as a held lock; its ticket goes to `granted` on a record that
// was made with it (`spare`), so that nothing is allocated here.
void FileLocks::GrantWaiters(LockSet& set, List& gone, List& granted) {
  Lock* next = nullptr;
  for (Lock* waiter = set.waiting.Front(); waiter != nullptr; waiter = next) {
    next = set.waiting.Next(waiter);
    if (Conflict(set.held, *waiter) != nullptr) {
      continue;
    }
    List::Remove(waiter);
    Lock* notice = std::exchange(waiter->spare, nullptr);
    Carve(set.held, *waiter, gone, &notice->spare);
    notice->ticket = waiter->ticket;
    set.held.PushBack(waiter);
    granted.PushBack(notice);
  }
}

// After the lock is dropped.
void FileLocks::Finish(List& gone, List& granted) {
  while (Lock* lock = granted.PopFront()) {
    (void)lock->ticket.Fire(Status::kOk, 0);
    gone.PushBack(lock);
  }
  while (Lock* lock = gone.PopFront()) {
    if (lock->spare != nullptr) {
      gone.PushBack(lock->spare);
    }
    mem::Delete(lock);
  }
}

Status FileLocks::SetIn(LockSet FileLocks::*which, const Lock& wanted) {
  // Made before the lock is taken: the lock, the notice of its granting, a split.
  Lock* made[3] = {};
  for (Lock*& lock : made) {
    const auto result = mem::New<Lock>();
    if (!result.ok()) {
      for (Lock* unused : made) {
        mem::Delete(unused);
      }
      return result.status();
    }
    lock = result.value();
  }
  auto& [lock, notice, split] = made;
  lock->holder = wanted.holder;
  lock->kind = wanted.kind;
  lock->start = wanted.start;
  lock->end = wanted.end;
  List gone;
  List granted;
  Status status = Status::kOk;
  {
    machine::MutexGuard guard(lock_);
    LockSet& set = this->*which;
    const Lock* in_the_way = wanted.kind == LockKind::kNone ? nullptr : Conflict(set.held, wanted);
    if (in_the_way == nullptr) {
      Carve(set.held, wanted, gone, &split);
      if (wanted.kind != LockKind::kNone) {
        set.held.PushBack(std::exchange(lock, nullptr));
      }
      GrantWaiters(set, gone, granted);  // a release, or exclusive made shared
    } else if (!wanted.ticket) {
      status = Status::kWouldBlock;
    } else if (WaitsFor(set, in_the_way->holder, wanted.holder, kMaxChain)) {
      status = Status::kDeadlock;
    } else {
      lock->ticket = wanted.ticket;
      notice->spare = std::exchange(split, nullptr);
      lock->spare = std::exchange(notice, nullptr);
      set.waiting.PushBack(std::exchange(lock, nullptr));
      status = Status::kPending;
    }
  }
  for (Lock* unused : made) {
    mem::Delete(unused);
  }
  Finish(gone, granted);
  return status;
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
  machine::MutexGuard guard(lock_);
  const Lock* first = nullptr;
  for (const Lock& held : ranges_.held) {
    if (!(held.holder == holder) && held.start < lock.end && lock.start < held.end &&
        (held.kind == LockKind::kExclusive || wanted.kind == LockKind::kExclusive) &&
        (first == nullptr || held.start < first->start)) {
      first = &held;
    }
  }
  if (first == nullptr) {
    return;
  }
  found->kind = first->kind;
  found->start = first->start;
  found->length = first->end == kEndless ? 0 : first->end - first->start;
  found->process = first->holder.process;
  found->owner = first->holder.open_file != nullptr ? LockOwner::kOpenFile : LockOwner::kProcess;
}

void FileLocks::DropIn(LockSet& set, const LockHolder& holder, List& gone, List& granted) {
  for (List* list : {&set.held, &set.waiting}) {
    Lock* next = nullptr;
    for (Lock* lock = list->Front(); lock != nullptr; lock = next) {
      next = list->Next(lock);
      if (lock->holder == holder) {
        List::Remove(lock);
        gone.PushBack(lock);
      }
    }
  }
  GrantWaiters(set, gone, granted);
}

void FileLocks::DropOwner(const LockHolder& holder) {
  List gone;
  List granted;
  {
    machine::MutexGuard guard(lock_);
    DropIn(ranges_, holder, gone, granted);
    DropIn(whole_, holder, gone, granted);
  }
  Finish(gone, granted);
}

}  // namespace k42::fs
