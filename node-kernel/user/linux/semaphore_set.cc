#include "user/linux/semaphore_set.h"

namespace k42::personality::calls::sysv {
namespace {

bool KeepsUndo(const Operation& operation) {
  return (static_cast<U32>(operation.flags) & kUndoFlag) != 0 && operation.change != 0;
}

}  // namespace

bool SemaphoreSet::IsValid() const {
  for (U32 i = 0; i < count; ++i) {
    if (semaphore(i).value > kValueMost) {
      return false;
    }
  }
  for (U32 i = 0; i < undo_count; ++i) {
    if (cells[count + i].undo.number >= count) {
      return false;
    }
  }
  return true;
}

std::int64_t SemaphoreSet::Remember(I32 pid, std::uint16_t number, I32 change) {
  U32 i = 0;
  while (i < undo_count && (undo(i).pid != pid || undo(i).number != number)) {
    ++i;
  }
  const I32 now = (i < undo_count ? undo(i).change : 0) - change;
  if (now < -kValueMost || now > kValueMost) {
    return -kERANGE;
  }
  if (i == undo_count) {
    if (undo_count == kUndoMost) {
      return -kENOMEM;
    }
    ++undo_count;
  }
  undo(i) = {pid, number, static_cast<std::int16_t>(now)};
  if (now == 0) {
    DropUndo(i);
  }
  return 0;
}

std::int64_t SemaphoreSet::ApplyOne(I32 pid, const Operation& operation, bool* waits) {
  Semaphore& one = semaphore(operation.number);
  const I32 value = one.value + operation.change;
  *waits = operation.change == 0 ? one.value != 0 : value < 0;
  if (*waits) {
    return 0;
  }
  if (value > kValueMost) {
    return -kERANGE;
  }
  if (KeepsUndo(operation)) {
    if (const std::int64_t error = Remember(pid, operation.number, operation.change)) {
      return error;
    }
  }
  one.value = static_cast<std::uint16_t>(value);
  return 0;
}

SemaphoreSet::Outcome SemaphoreSet::Apply(I32 pid, const Operation* operations,
                                          U32 operation_count) {
  for (U32 done = 0; done < operation_count; ++done) {
    bool waits = false;
    const std::int64_t error = ApplyOne(pid, operations[done], &waits);
    if (error == 0 && !waits) {
      continue;
    }
    const Outcome outcome{error, waits ? &operations[done] : nullptr};
    while (done > 0) {  // back, last first: one semaphore may occur twice
      const Operation& operation = operations[--done];
      Semaphore& one = semaphore(operation.number);
      one.value = static_cast<std::uint16_t>(one.value - operation.change);
      if (KeepsUndo(operation)) {
        (void)Remember(pid, operation.number, -operation.change);  // there was room before
      }
    }
    return outcome;
  }
  for (U32 i = 0; i < operation_count; ++i) {
    semaphore(operations[i].number).pid = pid;
  }
  return {0, nullptr};
}

void SemaphoreSet::SetValue(U32 number, std::uint16_t value, I32 pid) {
  semaphore(number).value = value;
  semaphore(number).pid = pid;
  ForgetUndo(number);
}

void SemaphoreSet::ForgetUndo(U32 number) {
  for (U32 i = 0; i < undo_count;) {
    if (undo(i).number == number) {
      DropUndo(i);
    } else {
      ++i;
    }
  }
}

void SemaphoreSet::UndoOne(U32 i) {
  Semaphore& one = semaphore(undo(i).number);
  const I32 value = one.value + undo(i).change;
  one.value = static_cast<std::uint16_t>(value < 0 ? 0 : value > kValueMost ? kValueMost : value);
  one.pid = undo(i).pid;
  DropUndo(i);
}

}  // namespace k42::personality::calls::sysv
