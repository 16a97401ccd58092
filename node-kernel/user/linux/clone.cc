// clone, in all its forms: one function in which each flag says shared or copied.
//
//   thread        CLONE_THREAD: a further thread of the task
//   task          CLONE_VM without CLONE_THREAD (vfork, posix_spawn): a new task in this process
//   fork          neither: the kernel copies the process; the copy keeps the calling thread only
#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/descriptor_service.h"
#include "user/linux/dispatchers.h"
#include "user/linux/end.h"
#include "user/linux/entry.h"
#include "user/linux/epoll.h"
#include "user/linux/file_slots.h"
#include "user/linux/futex.h"
#include "user/linux/process_locks.h"
#include "user/linux/shared_memory.h"
#include "user/linux/signals.h"
#include "user/linux/sysv_record.h"
#include "user/linux/task_descriptor.h"
#include "user/linux/vector_state.h"

namespace k42::personality {
namespace {

// CloneFlag; name spaces of any kind.
constexpr std::uint64_t kCloneSignalMask = 0xff, kCloneVm = 0x100, kCloneFs = 0x200,
                        kCloneFiles = 0x400, kCloneSigHand = 0x800, kClonePidFd = 0x1000,
                        kCloneVfork = 0x4000, kCloneParent = 0x8000, kCloneThread = 0x10000,
                        kCloneSetTls = 0x80000, kCloneParentSetTid = 0x100000,
                        kCloneChildClearTid = 0x200000, kCloneChildSetTid = 0x1000000,
                        kCloneClearSigHand = 0x100000000, kCloneNewSpaces = 0x7e020080;

struct CloneRequest {
  std::uint64_t flags = 0;
  std::uint64_t stack = 0;  // new stack pointer; 0: the caller's
  std::uint64_t parent_tid = 0, child_tid = 0, tls = 0;
  std::uint64_t pidfd = 0;  // where the parent finds its descriptor of the child
  std::uint32_t exit_signal = 0;
};

// The new thread's registers: those of the caller, returning 0 from the same call.
void CopyThread(const Thread& parent, const CloneRequest& request, Thread* child) {
  child->regs = parent.regs;
  child->regs.rax = 0;
  child->fast_leave = 1;
  if (request.stack != 0) {
    child->regs.rsp = request.stack;
  }
  if (request.flags & kCloneSetTls) {
    child->regs.fs_base = request.tls;
  }
  std::memcpy(child->vector, parent.vector, sizeof(child->vector));
  child->signals.mask = parent.signals.mask;
  child->affinity = parent.affinity;
  child->policy = parent.policy;
  std::memcpy(child->name, parent.name, sizeof(child->name));
  // A thread on another stack starts without an alternate one; vfork's child keeps its parent's.
  if ((request.flags & kCloneVfork) != 0 || (request.flags & kCloneVm) == 0) {
    child->signals.alternate = parent.signals.alternate;
  }
  if (request.flags & kCloneChildClearTid) {
    child->clear_child_tid = request.child_tid;
  }
}

// The parts of a task, shared or copied. Null on no memory, with nothing kept.
Task* NewTaskFor(const Task& parent, std::int32_t pid, std::uint64_t flags) {
  FdTable* files = parent.files;
  FsContext* fs = parent.fs;
  SignalActions* actions = parent.actions;
  if (flags & kCloneFiles) {
    files->Retain();
  } else {
    files = files->Copy();
  }
  if (flags & kCloneFs) {
    ++fs->references;
  } else {
    fs = fs->Copy();
  }
  if (flags & kCloneSigHand) {
    ++actions->references;
  } else if ((actions = New<SignalActions>(*parent.actions))) {
    actions->references = 1;
    if (flags & kCloneClearSigHand) {
      ResetHandlers(*actions);
    }
  }
  Task* task = files && fs && actions ? CreateTask(pid, files, fs, actions) : nullptr;
  if (!task) {
    if (files) {
      FdTable::Release(files);
    }
    if (fs) {
      FsContext::Release(fs);
    }
    if (actions && --actions->references == 0) {
      Delete(actions);
    }
  }
  return task;
}

bool StoreTids(const CloneRequest& request, std::int32_t tid, bool in_child) {
  if (!in_child && (request.flags & kCloneParentSetTid) && !WriteUser(request.parent_tid, tid)) {
    return false;
  }
  return !in_child || (request.flags & kCloneChildSetTid) == 0 || WriteUser(request.child_tid, tid);
}

// 0, or why there is none.
std::int64_t GivePidFd(Thread& parent, const CloneRequest& request, std::uint32_t child) {
  if ((request.flags & kClonePidFd) == 0) {
    return 0;
  }
  const std::int64_t fd = AddTaskDescriptor(parent, child, 0);
  if (fd < 0) {
    return fd;
  }
  if (!WriteUser(request.pidfd, static_cast<std::int32_t>(fd))) {
    (void)parent.task->files->Close(static_cast<std::uint32_t>(fd));
    return -kEFAULT;
  }
  return 0;
}

std::int64_t StartThread(Thread& parent, const CloneRequest& request) {
  const Result<std::uint32_t> tid = kernel::NewThread(static_cast<std::uint32_t>(parent.task->pid));
  if (!tid.ok()) {
    return ErrnoOf(tid.status());
  }
  const auto number = static_cast<std::int32_t>(tid.value());
  Thread* child = CreateThread(parent.task, number, StartOfThread);
  if (!child) {
    kernel::EndThread(tid.value());
    return -kENOMEM;
  }
  StoreVectorState(&parent);
  CopyThread(parent, request, child);
  (void)StoreTids(request, number, false);
  (void)StoreTids(request, number, true);
  Here().MakeReady(child);
  return number;
}

// No child escapes a signal that its parent could have had before: `make` is asked again after a
// look at what has come.
template <typename Make>
Result<std::uint32_t> MakeChild(Thread& parent, Make make) {
  for (;;) {
    if (HasSignalToDeliver(parent)) {
      return Status::kCancelled;
    }
    const Result<std::uint32_t> child = make();
    if (child.status() != Status::kCancelled) {
      return child;
    }
    Here().TakeEvents();
  }
}

std::int64_t ErrnoOfChild(Status status) {
  switch (status) {
    case Status::kCancelled:
      return -kERESTARTNOINTR;
    case Status::kLimitExceeded:
      return -kEAGAIN;
    default:
      return ErrnoOf(status);
  }
}

std::int64_t StartTask(Thread& parent, const CloneRequest& request) {
  const Result<std::uint32_t> pid =
      MakeChild(parent, [&] { return kernel::NewTask(request.exit_signal); });
  if (!pid.ok()) {
    return ErrnoOfChild(pid.status());
  }
  const auto number = static_cast<std::int32_t>(pid.value());
  Task* task = NewTaskFor(*parent.task, number, request.flags);
  Thread* child = task ? CreateThread(task, number, StartOfThread) : nullptr;
  const std::int64_t error =
      child ? GivePidFd(parent, request, pid.value()) : -std::int64_t{kENOMEM};
  if (error != 0) {
    if (child) {
      task->threads.Remove(child);
      DestroyThread(child);
    }
    if (task) {
      DestroyTask(task);
    }
    kernel::Exit(pid.value(), proc::ExitKind::kExited, 0);
    return error;
  }
  task->exit_signal = request.exit_signal;
  task->cpu_limit = parent.task->cpu_limit;
  if (HasChildOptions(*task)) {
    SetChildOptions(*task);
  }
  StoreVectorState(&parent);
  CopyThread(parent, request, child);
  (void)StoreTids(request, number, false);
  (void)StoreTids(request, number, true);
  if (request.flags & kCloneVfork) {
    Here().MakeReadyHere(child);
    task->vfork_waiter = &parent;
    // Only the child's exec or exit ends this: not a signal, which would let the parent run on a
    // stack that the child is using.
    while (FindTask(number) == task && task->vfork_waiter == &parent) {
      (void)Here().Block(0, false);
    }
  } else {
    Dispatcher::MakeReady(child);
  }
  return number;
}

// In the copy of the process: only the calling thread and its task are left.
void BecomeChild(Thread& self, const CloneRequest& request) {
  Dispatcher& here = Dispatchers::First();
  here.KeepOnly(&self);
  self.must_move = !here.Allows(self);
  VectorStateChanged(&self);
  CloseWhatCallsHold();
  ForgetFutexWaiters();
  ForgetDescriptorService();
  ForgetFileSlots();
  const Result<std::uint32_t> number = kernel::GetNumber(0, proc::TaskNumber::kOwn);
  Task& task = *self.task;
  Description::AllForked();
  if (task.thread_count > 1 || Tasks().first() != &task || Tasks().Next(&task)) {
    Description::KeepOnly(*task.files, *task.fs);
  }
  for (Task* other = Tasks().first(); other;) {
    Task* next = Tasks().Next(other);
    if (other != &task) {
      Tasks().Remove(other);  // its parts are shared or leaked with the copy: never run again
    }
    other = next;
  }
  for (Thread* other = task.threads.first(); other;) {
    Thread* next = task.threads.Next(other);
    if (other != &self) {
      task.threads.Remove(other);
      DestroyThread(other);
    }
    other = next;
  }
  task.pid = static_cast<std::int32_t>(number.ValueOr(0));
  task.main = true;
  task.thread_count = 1;
  task.vfork_waiter = nullptr;
  task.exit_signal = request.exit_signal;
  task.pending.Clear();
  here.ActFor(task);
  self.tid = task.pid;
  ForgetTimers(task);
  self.signals.pending.Clear();
  self.clear_child_tid = request.flags & kCloneChildClearTid ? request.child_tid : 0;
  self.robust_list = 0;
  InheritSharedMemory();
  if (HasProcessLocks()) {  // the parent's
    SetProcessLocks(false);
  }
  Epoll::WatchAgain();
  if (request.flags & kCloneClearSigHand) {
    ResetHandlers(*task.actions);
  }
  if (HasChildOptions(task)) {
    SetChildOptions(task);
  }
  if (request.flags & kCloneSetTls) {
    self.regs.fs_base = request.tls;
  }
  if (request.stack != 0) {
    self.regs.rsp = request.stack;
  }
  (void)StoreTids(request, task.pid, true);
}

std::int64_t ForkProcess(Thread& self, const CloneRequest& request) {
  std::uint64_t context[8];
  StoreVectorState(&self);
  NoteAllShared();
  if (SaveContext(context) != 0) {
    BecomeChild(Self(), request);
    return 0;
  }
  const Result<std::uint32_t> child =
      MakeChild(self, [&] { return kernel::Fork(context, request.exit_signal); });
  if (!child.ok()) {
    return ErrnoOfChild(child.status());
  }
  const auto pid = static_cast<std::int32_t>(child.value());
  (void)GivePidFd(self, request, child.value());  // there was room for it
  (void)StoreTids(request, pid, false);
  return pid;
}

std::int64_t CloneWith(Thread& self, const CloneRequest& request) {
  const std::uint64_t flags = request.flags;
  if (((flags & kCloneThread) && !(flags & kCloneSigHand)) ||
      ((flags & kCloneSigHand) && !(flags & kCloneVm)) ||
      ((flags & kCloneSigHand) && (flags & kCloneClearSigHand))) {
    return -kEINVAL;
  }
  if (flags & kCloneNewSpaces) {
    return -kEPERM;
  }
  if ((flags & kCloneParent) || ((flags & kClonePidFd) && (flags & kCloneThread))) {
    return -kEINVAL;
  }
  if (flags & kClonePidFd) {
    const std::int32_t none = -1;  // of a child that is gone before it is named
    if (!WriteUser(request.pidfd, none)) {
      return -kEFAULT;
    }
    if (!self.task->files->has_room()) {
      return -kEMFILE;
    }
  }
  if (flags & kCloneThread) {
    return StartThread(self, request);
  }
  return flags & kCloneVm ? StartTask(self, request) : ForkProcess(self, request);
}

}  // namespace

namespace calls {

Reply Clone(Thread& thread, U64 flags, Address stack, Address parent_tid, Address child_tid,
            U64 tls) {
  CloneRequest request;
  request.flags = flags & ~std::uint64_t{kCloneSignalMask};
  request.exit_signal = static_cast<U32>(flags & kCloneSignalMask);
  request.stack = stack;
  request.parent_tid = parent_tid;
  request.child_tid = child_tid;
  request.tls = tls;
  request.pidfd = parent_tid;
  if ((flags & kClonePidFd) && (flags & kCloneParentSetTid)) {
    return -kEINVAL;  // both want that word
  }
  return CloneWith(thread, request);
}

Reply Clone3(Thread& thread, Address address, U64 size) {
  struct Arguments {
    std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    std::uint64_t set_tid, set_tid_size, cgroup;
  } arguments{};
  constexpr U64 kFirstVersion = 64;
  if (size < kFirstVersion) {
    return -kEINVAL;
  }
  if (size > sizeof(arguments)) {
    return -kE2BIG;
  }
  if (!CopyIn(&arguments, address, size)) {
    return -kEFAULT;
  }
  if (arguments.set_tid_size != 0 || (arguments.exit_signal & ~std::uint64_t{kCloneSignalMask}) ||
      (arguments.stack == 0) != (arguments.stack_size == 0) ||
      (arguments.flags & kCloneSignalMask)) {
    return -kEINVAL;
  }
  CloneRequest request;
  request.flags = arguments.flags;
  request.exit_signal = static_cast<U32>(arguments.exit_signal);
  request.stack = arguments.stack + arguments.stack_size;
  request.parent_tid = arguments.parent_tid;
  request.child_tid = arguments.child_tid;
  request.tls = arguments.tls;
  request.pidfd = arguments.pidfd;
  return CloneWith(thread, request);
}

Reply Fork(Thread& thread) {
  CloneRequest request;
  request.exit_signal = kSIGCHLD;
  return CloneWith(thread, request);
}

Reply VFork(Thread& thread) {
  CloneRequest request;
  request.flags = kCloneVm | kCloneVfork;
  request.exit_signal = kSIGCHLD;
  return CloneWith(thread, request);
}

// What threads have together stays so.
Reply Unshare(Thread& thread, U64 flags) {
  constexpr U64 kOfThreads = kCloneVm | kCloneSigHand | kCloneThread;
  constexpr U64 kUndoList = 0x40000;  // of semaphores: each task has its own
  Task& task = *thread.task;
  if ((flags & ~(kCloneFs | kCloneFiles | kOfThreads | kUndoList | kCloneNewSpaces)) != 0 ||
      ((flags & ~kUndoList & ~kCloneNewSpaces) != 0 && task.thread_count > 1)) {
    return -kEINVAL;
  }
  if (flags & kCloneNewSpaces) {
    return -kEPERM;
  }
  FdTable* files = flags & kCloneFiles ? task.files->Copy() : nullptr;
  FsContext* fs = flags & kCloneFs ? task.fs->Copy() : nullptr;
  if (files) {
    FdTable::Release(task.files);
    task.files = files;
  }
  if (fs) {
    FsContext::Release(task.fs);
    task.fs = fs;
  }
  return ((flags & kCloneFiles) && !files) || ((flags & kCloneFs) && !fs) ? -kENOMEM : 0;
}

// There is one of each kind, and no file stands for it.
Reply SetNameSpace(Thread& thread, U32 fd, U32 kind) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description) {
    return -kEBADF;
  }
  const bool of_task = description.file() && description.file()->is_task;
  return of_task && kind != 0 && (kind & ~kCloneNewSpaces) == 0 ? -kEPERM : -kEINVAL;
}

}  // namespace calls
}  // namespace k42::personality
