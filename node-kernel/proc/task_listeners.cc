// TaskTable: who is told of a task's end beside its parent, and after it. The ended task's
// listeners are marked (by who ended it, or before by its parent, if that has waited for it
// already), some at a time, and moved to one list of those that are to be told; then they are told,
// without the lock. Whoever comes to listen looks afterwards whether the task is over: then it is
// told by whoever still finds it listening.
#include "proc/task_table.h"

namespace k42::proc {

using machine::SpinGuard;

namespace {
constexpr std::uint32_t kPiece = 16;
}

Result<std::uint64_t> TaskTable::ListenForEnd(std::uint32_t caller, std::uint32_t number,
                                              TaskEndListener& listener) {
  Task* task = Find(number == 0 ? caller : number);
  if (task == nullptr)
    return Status::kNoProcess;
  listener.AddReference();
  {
    SpinGuard guard(listeners_);
    task->end_listeners.PushBack(&listener);
  }
  task->listened.store(true);
  if (!task->over.load())
    return task->start_ns;
  {
    SpinGuard guard(listeners_);
    if (listener.has_ended())
      return task->start_ns;  // the one that ends the task tells it
    listener.Unlink();
  }
  listener.SetEnded();
  listener.TaskEnded();
  listener.DropReference();
  return task->start_ns;
}

void TaskTable::StopListening(TaskEndListener& listener) {
  {
    SpinGuard guard(listeners_);
    if (!listener.linked())
      return;
    listener.Unlink();
  }
  listener.DropReference();
}

void TaskTable::MarkListeners(Task& task) {
  for (bool more = task.listened.load(); more;) {
    SpinGuard guard(listeners_, kListenersHold);
    for (std::uint32_t i = 0; i < kPiece && more; ++i) {
      TaskEndListener* listener = task.end_listeners.PopFront();
      more = listener != nullptr;
      if (more) {
        listener->SetEnded();
        to_tell_.PushBack(listener);
      }
    }
  }
}

void TaskTable::TellListeners() {
  while (true) {
    TaskEndListener* listener = nullptr;
    {
      SpinGuard guard(listeners_);
      listener = to_tell_.PopFront();
    }
    if (listener == nullptr)
      return;
    listener->TaskEnded();
    listener->DropReference();
  }
}

}  // namespace k42::proc
