#include "fs/locking_process.h"

#include "fs/file_locks.h"
#include "mem/heap.h"

namespace k42::fs {

LockingProcess::LockingProcess(FileLocks& locks, proc::TaskTable& tasks, std::uint32_t number)
    : locks_(locks), tasks_(tasks), number_(number) {
  locks_.AddReference();
}

LockingProcess::~LockingProcess() {
  locks_.DropReference();
}

void LockingProcess::Dispose() {
  mem::Delete(this);
}

void LockingProcess::TaskEnded() {
  locks_.DropEnded();
}

// It listens before the file's locks know it: who finds it there finds one that will be told. One
// that ends between the two is found to have ended by whoever looks next.
Status FollowProcess(FileLocks& locks, proc::TaskTable& tasks, std::uint32_t number) {
  const auto process =
      RefPtr<LockingProcess>::Adopt(TRY(mem::New<LockingProcess>(locks, tasks, number)));
  (void)TRY(tasks.ListenForEnd(number, number, *process));
  if (!locks.AddProcess(*process)) {
    process->Leave();
  }
  return Status::kOk;
}

}  // namespace k42::fs
