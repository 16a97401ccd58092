// TaskTable: who is told of a task's end beside its parent. EndLocked moves the ended task's
// listeners to one list of those that are to be told; they are told without the lock.
#include "proc/task_table.h"

namespace k42::proc {

using machine::SpinGuard;

Result<std::uint64_t> TaskTable::ListenForEnd(std::uint32_t caller, std::uint32_t number,
                                              TaskEndListener& listener) {
  std::uint64_t born = 0;
  {
    SpinGuard guard(lock_);
    Task* task = FindLocked(number == 0 ? caller : number);
    if (task == nullptr)
      return Status::kNoProcess;
    born = task->start_ns;
    if (task->state != TaskState::kZombie) {
      listener.AddReference();
      task->end_listeners.PushBack(&listener);
      return born;
    }
  }
  listener.SetEnded();
  listener.TaskEnded();
  return born;
}

void TaskTable::StopListening(TaskEndListener& listener) {
  {
    SpinGuard guard(lock_);
    if (!listener.linked())
      return;
    listener.Unlink();
  }
  listener.DropReference();
}

void TaskTable::TellListeners() {
  while (true) {
    TaskEndListener* listener = nullptr;
    {
      SpinGuard guard(lock_);
      listener = to_tell_.PopFront();
    }
    if (listener == nullptr)
      return;
    listener->TaskEnded();
    listener->DropReference();
  }
}

}  // namespace k42::proc
