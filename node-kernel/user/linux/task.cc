#include "user/linux/task.h"

#include <cstring>

#include "user/linux/dispatcher.h"
#include "user/linux/entry.h"
#include "user/linux/heap.h"
#include "user/linux/vector_state.h"

namespace k42::personality {
namespace {

List<Task, &Task::link> tasks;
Program program;

}  // namespace

List<Task, &Task::link>& Tasks() {
  return tasks;
}
Program& CurrentProgram() {
  return program;
}

Task* FindTask(std::int32_t pid) {
  for (Task* task = tasks.first(); task; task = tasks.Next(task)) {
    if (task->pid == pid) {
      return task;
    }
  }
  return nullptr;
}

Thread* FindThread(std::int32_t tid) {
  for (Task* task = tasks.first(); task; task = tasks.Next(task)) {
    for (Thread* thread = task->threads.first(); thread; thread = task->threads.Next(thread)) {
      if (thread->tid == tid) {
        return thread;
      }
    }
  }
  return nullptr;
}

kernel::Handle FsContext::directory_handle() const {
  KernelFile* file = directory.file();
  return file ? file->handle() : kernel::kNoHandle;
}

void FsContext::Release(FsContext* context) {
  if (--context->references == 0) {
    Delete(context);
  }
}

FsContext* FsContext::Copy() {
  if (directory) {
    directory->Retain();
  }
  return New<FsContext>(1u, DescriptionRef(directory.get()), umask);
}

Task* CreateTask(std::int32_t pid, FdTable* files, FsContext* fs, SignalActions* actions) {
  auto* task = New<Task>();
  if (!task) {
    return nullptr;
  }
  task->pid = pid;
  task->files = files;
  task->fs = fs;
  task->actions = actions;
  task->dumpable = 1;
  tasks.PushBack(task);
  return task;
}

void DestroyTask(Task* task) {
  tasks.Remove(task);
  DropTimers(*task);
  task->pending.Clear();
  FdTable::Release(task->files);
  FsContext::Release(task->fs);
  if (--task->actions->references == 0) {
    Delete(task->actions);
  }
  Delete(task);
}

Thread* NewThread(void (*start)()) {
  auto* memory = static_cast<char*>(Allocate(kThreadSize));
  if (!memory) {
    return nullptr;
  }
  auto* thread = new (memory + kThreadSize - sizeof(Thread)) Thread{};
  thread->stack_top = reinterpret_cast<std::uint64_t>(thread);
  // What SwitchStacks pops: six registers, then the address to return to.
  auto* stack = reinterpret_cast<std::uint64_t*>(thread->stack_top) - 8;
  std::memset(stack, 0, 8 * sizeof(*stack));
  stack[6] = reinterpret_cast<std::uint64_t>(start);
  thread->switch_stack = reinterpret_cast<std::uint64_t>(stack);
  return thread;
}

Thread* CreateThread(Task* task, std::int32_t tid, void (*start)()) {
  Thread* thread = NewThread(start);
  if (!thread) {
    return nullptr;
  }
  thread->task = task;
  thread->tid = tid;
  thread->dispatcher = Here().index();
  thread->system_call = -1;
  thread->affinity = ~0ull;
  InitialVectorState(thread);
  task->threads.PushBack(thread);
  ++task->thread_count;
  return thread;
}

void DestroyThread(Thread* thread) {
  thread->signals.pending.Clear();
  Free(reinterpret_cast<char*>(thread + 1) - kThreadSize, kThreadSize);
}

}  // namespace k42::personality
