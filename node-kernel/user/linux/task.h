// A LinuxTask: what a pid names. Threads point to their task; the parts a clone flag can share are
// objects of their own with a reference count.
//
//   files    CLONE_FILES     fs       CLONE_FS      actions  CLONE_SIGHAND
//   memory   CLONE_VM        threads  CLONE_THREAD
//
// The process's main task lives as long as the process. Further tasks (vfork, posix_spawn) share
// its address space until they exec, which gives them a process of their own, or exit. Credentials,
// limits, group and session are the kernel's, by the task's number.
#pragma once

#include <cstdint>

#include "user/linux/fd_table.h"
#include "user/linux/interval_timer.h"
#include "user/linux/kernel.h"
#include "user/linux/list.h"
#include "user/linux/signal_state.h"
#include "user/linux/thread.h"
#include "user/linux/timer_queue.h"

namespace k42::personality {

struct FsContext {
  std::uint32_t references = 1;
  DescriptionRef directory;  // current directory; none: the root
  std::uint32_t umask = 022;

  kernel::Handle directory_handle() const;
  static void Release(FsContext* context);
  FsContext* Copy();
};

// The program in the address space. One per process, replaced by exec.
struct Program {
  std::uint64_t break_start, break_end;  // brk: bytes in use; pages up to break_mapped
  std::uint64_t break_mapped;
  std::uint64_t stack_top, stack_size;
  char path[256];  // as /proc/self/exe shows it
};

struct PosixTimer;

struct Task {
  std::int32_t pid;
  FdTable* files;
  FsContext* fs;
  SignalActions* actions;
  PendingSignals pending;
  List<Thread, &Thread::task_link> threads;
  std::uint32_t thread_count;

  std::uint32_t exit_signal;
  bool exiting;
  std::uint32_t wait_status;  // once exiting: Linux's form
  bool main;                  // the process's own task
  bool moved;                 // has exec-ed into a process of its own
  bool no_new_privileges;
  std::uint32_t dumpable;
  Thread* vfork_waiter;  // who sleeps until this task execs or exits
  ListLink<Task> link;

  TaskTimers* timers;  // null: it has asked for none
  CpuLimit cpu_limit = {~0ull, ~0ull};
  PosixTimer* posix_timers;
  std::int32_t next_timer_id;
};

// All tasks of this process, the main one first.
List<Task, &Task::link>& Tasks();
Task* FindTask(std::int32_t pid);
Thread* FindThread(std::int32_t tid);
Program& CurrentProgram();

// A task with no thread yet that takes over the references given. Null: no memory.
Task* CreateTask(std::int32_t pid, FdTable* files, FsContext* fs, SignalActions* actions);
void DestroyTask(Task* task);

}  // namespace k42::personality
