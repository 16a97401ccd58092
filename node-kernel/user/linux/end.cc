#include "user/linux/end.h"

#include "user/linux/calls.h"
#include "user/linux/dispatchers.h"
#include "user/linux/futex.h"
#include "user/linux/kernel.h"
#include "user/linux/shared_memory.h"
#include "user/linux/signals.h"
#include "user/linux/user_memory.h"

namespace k42::personality {
namespace {

// Tells the kernel how the task ended. For the main task this does not return.
void ReportEnd(const Task& task) {
  if (task.main) {
    DetachSharedMemory();
  }
  const std::uint32_t signal = task.wait_status & 0x7f;
  if (signal != 0) {
    const bool core = (task.wait_status & 0x80) != 0;
    kernel::Exit(static_cast<std::uint32_t>(task.pid),
                 core ? proc::ExitKind::kCoreDumped : proc::ExitKind::kKilled, signal);
  } else {
    kernel::Exit(static_cast<std::uint32_t>(task.pid), proc::ExitKind::kExited,
                 task.wait_status >> 8 & 0xff);
  }
}

bool OtherTaskRuns(const Task& task) {
  return Tasks().first() != &task || Tasks().Next(&task) != nullptr;
}

bool OthersHoldRobustFutexes(const Task& task) {
  for (Thread* thread = task.threads.first(); thread; thread = task.threads.Next(thread)) {
    if (thread != &Self() && HasRobustFutexes(*thread)) {
      return true;
    }
  }
  return false;
}

}  // namespace

void EndTask(Task& task, std::uint32_t wait_status) {
  if (task.exiting) {
    return;
  }
  task.exiting = true;
  task.wait_status = wait_status;
  // The whole process at once, when nothing else lives in it: other threads need not even wake.
  if (task.main && !OtherTaskRuns(task)) {
    if (OthersHoldRobustFutexes(task)) {
      (void)Dispatchers::StopOthers();  // who gets the lock must not find its last owner at work
    }
    for (Thread* thread = task.threads.first(); thread; thread = task.threads.Next(thread)) {
      LeaveRobustFutexes(*thread);
    }
    task.files->CloseRange(0, ~0u);
    ReportEnd(task);
  }
  for (Thread* thread = task.threads.first(); thread; thread = task.threads.Next(thread)) {
    thread->exit_requested = true;
    Here().Interrupt(thread);
  }
}

void ReleaseVforkParent(Task& task) {
  if (Thread* waiter = task.vfork_waiter) {
    task.vfork_waiter = nullptr;
    Here().Wakeup(waiter, Wake::kEvent);
  }
}

void EndThread(Thread& thread) {
  Task& task = *thread.task;
  // The task is over, or another process's already: the kernel must not take us for it any more.
  if (!task.main && task.thread_count == 1) {
    Here().ActFor(*Tasks().first());
  }
  LeaveRobustFutexes(thread);
  if (thread.clear_child_tid != 0 && (task.thread_count > 1 || !task.main)) {
    const std::int32_t zero = 0;
    if (WriteUser(thread.clear_child_tid, zero)) {
      WakeFutex(thread.clear_child_tid, 1);
    }
  }
  if (thread.tid != task.pid) {
    kernel::EndThread(static_cast<std::uint32_t>(thread.tid));
  }
  task.threads.Remove(&thread);
  if (--task.thread_count != 0) {
    HandOnSignals(task);
  } else {
    ReleaseVforkParent(task);
    if (task.main) {
      // Tasks that still share the memory would die with the process: they were given theirs.
      while (OtherTaskRuns(task)) {
        (void)Here().Block(kernel::MonotonicNs() + 1'000'000, false);
      }
      task.files->CloseRange(0, ~0u);
      ReportEnd(task);
    }
    if (!task.moved) {
      ReportEnd(task);
    }
    Dispatchers::ForgetTask(task.pid);
    DestroyTask(&task);
  }
  Here().Exit();
}

void EndOtherThreads(Thread& thread) {
  Task& task = *thread.task;
  for (Thread* other = task.threads.first(); other; other = task.threads.Next(other)) {
    if (other != &thread) {
      other->exit_requested = true;
      Here().Interrupt(other);
    }
  }
  while (task.thread_count > 1) {
    // A thread in the middle of an uninterruptible wait takes its time.
    (void)Here().Block(kernel::MonotonicNs() + 1'000'000, false);
  }
}

namespace calls {

Reply Exit(Thread& thread, U32 code) {
  Task& task = *thread.task;
  if (task.thread_count == 1 && !task.exiting) {
    task.exiting = true;
    task.wait_status = (code & 0xff) << 8;
  }
  EndThread(thread);
}

Reply ExitGroup(Thread& thread, U32 code) {
  EndTask(*thread.task, (code & 0xff) << 8);
  EndThread(thread);
}

}  // namespace calls
}  // namespace k42::personality
