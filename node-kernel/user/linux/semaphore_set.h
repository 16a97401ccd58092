// A set of System V semaphores as it stands in its record, and what operations do to it. Pure.
//
// Behind the head stand cells: the semaphores, then what is to be undone. What a process would have
// undone at its end (SEM_UNDO) stands there by its number, and is undone by whoever next finds that
// it has ended.
#pragma once

#include <cstddef>

#include "user/linux/sysv_waiters.h"

namespace k42::personality::calls::sysv {

struct Operation {  // sembuf
  std::uint16_t number;
  std::int16_t change;
  std::int16_t flags;
};
inline constexpr U32 kUndoFlag = 010000;  // SEM_UNDO

struct Semaphore {
  std::uint16_t value;
  std::uint16_t pad;
  I32 pid;  // of the last operation
};
struct Undo {  // never of no change
  I32 pid;
  std::uint16_t number;
  std::int16_t change;
};

struct SemaphoreSet {
  static constexpr U32 kMost = 500;            // semaphores
  static constexpr U32 kOperationsMost = 500;  // of a call
  static constexpr U32 kUndoMost = 1024;
  static constexpr I32 kValueMost = 32767;

  struct Outcome {
    std::int64_t error;      // 0: all done, or:
    const Operation* waits;  // who cannot go on
  };

  static constexpr std::size_t HeadSize() { return offsetof(SemaphoreSet, cells); }
  std::size_t size() const { return HeadSize() + (count + undo_count) * sizeof(Cell); }
  bool HeadIsValid() const {
    return count <= kMost && undo_count <= kUndoMost && waiters.IsValid();
  }
  bool IsValid() const;

  Semaphore& semaphore(U32 number) { return cells[number].semaphore; }
  const Semaphore& semaphore(U32 number) const { return cells[number].semaphore; }
  Undo& undo(U32 i) { return cells[count + i].undo; }

  // All of the operations or none. Their numbers are in range.
  Outcome Apply(I32 pid, const Operation* operations, U32 operation_count);
  void SetValue(U32 number, std::uint16_t value, I32 pid);
  // What would be undone for a process at its end is less by `change`. 0, -ERANGE, -ENOMEM.
  std::int64_t Remember(I32 pid, std::uint16_t number, I32 change);
  // The semaphore has been set: nobody has anything to undo there any more.
  void ForgetUndo(U32 number);
  // Undoes what `ended(pid)` have left. True: something has changed.
  template <typename Ended>
  bool UndoFor(Ended ended) {
    bool changed = false;
    I32 asked = -1;
    bool answer = false;
    for (U32 i = 0; i < undo_count;) {
      if (undo(i).pid != asked) {
        asked = undo(i).pid;
        answer = ended(asked);
      }
      if (answer) {
        UndoOne(i);
        changed = true;
      } else {
        ++i;
      }
    }
    return changed;
  }

  U32 count;
  U32 undo_count;
  I64 operated_at, changed_at;
  Waiters waiters;
  union Cell {
    Semaphore semaphore;
    Undo undo;
  } cells[kMost + kUndoMost];

 private:
  void UndoOne(U32 i);
  // Another takes its place.
  void DropUndo(U32 i) { undo(i) = undo(--undo_count); }
  std::int64_t ApplyOne(I32 pid, const Operation& operation, bool* waits);
};

}  // namespace k42::personality::calls::sysv
