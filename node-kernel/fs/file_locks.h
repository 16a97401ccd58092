// Advisory locks of one file: locks of byte ranges and of the whole file, two independent sets.
//
// A range lock belongs to a process or to an open file; a whole-file lock to an open file. Locks of
// one holder never conflict; a new one replaces the holder's earlier ones where they overlap.
// Waiters stand in a queue per set and are granted in order as far as possible, when something is
// released. A wait that would close a cycle of holders within this file is refused (kDeadlock);
// cycles through several files are not looked for (first version).
//
// Locking: lock_ guards both sets, blocking, since programs make as many locks as they like; a
// leaf. Tickets are fired after it is dropped.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"
#include "cobj/ticket.h"
#include "fs/file.types.h"
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

class FileLocks {
 public:
  FileLocks() = default;
  ~FileLocks();
  FileLocks(const FileLocks&) = delete;
  FileLocks& operator=(const FileLocks&) = delete;

  // kNone releases. If another's lock is in the way: kWouldBlock, or kPending if there is a ticket,
  // which fires when the lock was granted.
  Status Set(const LockHolder& holder, const RangeLock& wanted, cobj::Ticket ticket);
  Status SetWhole(const LockHolder& holder, LockKind kind, cobj::Ticket ticket);
  // The first lock in the way of `wanted`; `found` stays as it is if there is none.
  void Query(const LockHolder& holder, const RangeLock& wanted, RangeLock* found);
  // All locks and waits of `holder` end.
  void DropOwner(const LockHolder& holder);

 private:
  struct Lock : ListLink<> {
    LockHolder holder;
    LockKind kind = LockKind::kNone;
    std::uint64_t start = 0;
    std::uint64_t end = 0;  // exclusive; all ones: to the end of any file
    cobj::Ticket ticket;    // waiters only
    Lock* spare = nullptr;  // waiters: for the split their granting may need
  };
  using List = IntrusiveList<Lock>;
  struct LockSet {
    List held;
    List waiting;
  };

  // `which`: ranges_ or whole_.
  Status SetIn(LockSet FileLocks::*which, const Lock& wanted);
  void DropIn(LockSet& set, const LockHolder& holder, List& gone, List& granted)
      K42_REQUIRES(lock_);
  static Lock* Conflict(const List& held, const Lock& wanted);
  static bool WaitsFor(const LockSet& set, const LockHolder& who, const LockHolder& whom,
                       int depth);
  // Removes what `change` covers of its holder's locks. `spare` is used up if one must be split.
  static void Carve(List& held, const Lock& change, List& gone, Lock** spare);
  static void GrantWaiters(LockSet& set, List& gone, List& granted);
  static void Finish(List& gone, List& granted);

  machine::Mutex<LockRank::kFileLocks> lock_;
  LockSet ranges_ K42_GUARDED_BY(lock_);
  LockSet whole_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::fs
