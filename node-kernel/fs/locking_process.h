// LockingProcess: a process that has, or waits for, record locks of one file, and of whose end the
// file's locks are told. Its number is its own until then: who gets it later has nothing here.
//
// States: listens -> has ended, or left (it closed the file; nobody uses the file any more). The
// end may come while the file goes, so it keeps the record of locks alive, but not the file.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"
#include "proc/task_table.h"

namespace k42::fs {

class FileLocks;
struct ByLockedFile;

class LockingProcess final : public proc::TaskEndListener, public ListLink<ByLockedFile> {
 public:
  LockingProcess(FileLocks& locks, proc::TaskTable& tasks, std::uint32_t number);
  ~LockingProcess();

  std::uint32_t number() const { return number_; }
  // It is of no interest any more. Without a lock.
  void Leave() { tasks_.StopListening(*this); }
  void TaskEnded() override;

 private:
  void Dispose() override;

  FileLocks& locks_;  // with a reference
  proc::TaskTable& tasks_;
  const std::uint32_t number_;
};

// From now on the end of that process ends its locks. kNoProcess: it has ended.
Status FollowProcess(FileLocks& locks, proc::TaskTable& tasks, std::uint32_t number);

}  // namespace k42::fs
