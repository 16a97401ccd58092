// Advisory locks of one file: locks of byte ranges and of the whole file, two independent sets.
//
// A range lock belongs to a process or to an open file; a whole-file lock to an open file. Locks of
// one holder never conflict; a new one replaces the holder's earlier ones where they overlap.
// Waiters stand in a queue per set and are granted in order as far as possible, when something is
// released. A wait that would close a cycle of processes within this file is refused (kDeadlock);
// long cycles are not seen, nor those through several files or open files' locks: as on Linux,
// which does not look for the latter either.
//
// States of a record: waiting -> promised -> held. What a waiter waited for is promised to it until
// its ticket has been fired: it is in others' way, and is held only if somebody was still there to
// be told. A wait that was given up thus gets nothing, and its turn passes to the next. Who holds
// what was just promised does nothing here before that is settled, which is a firing away.
//
// The locks of a process end with it (locking_process.h). From that moment they are in nobody's
// way: each look begins by dropping those of processes that have ended.
//
// Life: counted, by the file (until FileGone) and by those processes.
//
// Locking: lock_ guards all, blocking, since programs make as many locks as they like; a leaf.
// Tickets are fired, and processes left, after it is dropped.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"
#include "base/ref_counted.h"
#include "cobj/ticket.h"
#include "fs/file.types.h"
#include "fs/locking_process.h"
#include "machine/mutex.h"

namespace k42::fs {

// Who holds a lock. Compared, never followed.
struct LockHolder {
  std::uint32_t process = 0;  // or
  const void* open_file = nullptr;

  static LockHolder Process(std::uint32_t number) { return {number, nullptr}; }
  static LockHolder OpenFile(const void* file) { return {0, file}; }
  bool operator==(const LockHolder&) const = default;
};

class FileLocks final : public RefCounted {
 public:
  FileLocks() = default;
  ~FileLocks();

  // kNone releases. If another's lock is in the way: kWouldBlock, or kPending if there is a ticket,
  // which fires when the lock was granted. kNotFound: that process's end would not be noticed
  // (FollowProcess).
  Status Set(const LockHolder& holder, const RangeLock& wanted, cobj::Ticket ticket);
  Status SetWhole(const LockHolder& holder, LockKind kind, cobj::Ticket ticket);
  // The first lock in the way of `wanted`; `found` stays as it is if there is none.
  void Query(const LockHolder& holder, const RangeLock& wanted, RangeLock* found);
  // All locks and waits of `holder` end.
  void DropOwner(const LockHolder& holder);
  // The wait with this ticket has been given up.
  void Withdraw(const cobj::Ticket& ticket);

  // Keeps a reference to it, until it has no lock here any more; false: there is one already.
  bool AddProcess(LockingProcess& process);
  // Some process has ended.
  void DropEnded();
  // Nobody uses the file any more: its reference is dropped next.
  void FileGone();

 private:
  struct Lock : ListLink<> {
    LockHolder holder;
    LockKind kind = LockKind::kNone;
    std::uint64_t start = 0;
    std::uint64_t end = 0;  // exclusive; all ones: to the end of any file
    cobj::Ticket ticket;    // waiters and promises
    Lock* spare = nullptr;  // until it is held: for the split that this may need
    bool fired = false;     // promises: somebody is telling
    bool dropped = false;   // and its holder has gone meanwhile
  };
  using List = IntrusiveList<Lock>;
  using Processes = IntrusiveList<LockingProcess, ByLockedFile>;
  struct LockSet {
    List held;
    List promised;
    List waiting;
  };
  // What is to be done, and given back, without the lock.
  struct Leftovers {
    bool promises = false;  // are to be told
    List locks;
    Processes processes;
  };

  void Dispose() override;
  // `which`: ranges_ or whole_.
  Status SetIn(LockSet FileLocks::*which, const Lock& wanted);
  // kBusy: something is promised to that holder. `lock`, which has a spare, is taken where it is
  // null afterwards.
  Status SetLocked(LockSet& set, Lock*& lock, Leftovers& left) K42_REQUIRES(lock_);
  void DropIn(LockSet& set, const LockHolder& holder, Leftovers& left) K42_REQUIRES(lock_);
  void DropEndedLocked(Leftovers& left) K42_REQUIRES(lock_);
  bool IsKnownLocked(std::uint32_t number) const K42_REQUIRES(lock_);
  void Settle(LockSet FileLocks::*which);
  // After lock_ was dropped: tells whom something is promised, gives back what is left.
  void Finish(Leftovers& left);
  static void Free(Leftovers& left);

  static bool IsInTheWay(const Lock& lock, const Lock& wanted);
  static Lock* Conflict(const LockSet& set, const Lock& wanted);
  // Within so many looks at what a holder waits for; beyond them: no.
  static bool WaitsFor(const LockSet& set, const LockHolder& who, const LockHolder& whom,
                       int* looks);
  static void ForgetWait(LockSet& set, const cobj::Ticket& ticket, Leftovers& left);
  // Removes what `change` covers of its holder's locks. `spare` is used up if one must be split.
  static void Carve(List& held, const Lock& change, List& gone, Lock** spare);
  static void Hold(LockSet& set, Lock* lock, Leftovers& left);
  static void PromiseWaiters(LockSet& set, Leftovers& left);

  machine::Mutex<LockRank::kFileLocks> lock_;
  LockSet ranges_ K42_GUARDED_BY(lock_);
  LockSet whole_ K42_GUARDED_BY(lock_);
  Processes processes_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::fs
