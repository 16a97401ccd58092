// TaskTable: all tasks of a node: numbers, the family tree, groups, sessions, signals, waiting.
//
// One spin lock for everything, because each operation looks at several tasks at once and is short
// (at most a walk over all tasks, for groups). Nothing is called under it but TaskHost's methods;
// tickets are fired after it was dropped.
//
// `caller` is the number of the task on whose behalf is asked. A task named 0 is the caller.
#pragma once

#include <cstdint>
#include <span>

#include "base/allocator.h"
#include "base/result.h"
#include "machine/spin_lock.h"
#include "proc/number_table.h"
#include "proc/task.h"

namespace k42::proc {

// The terminal layer's ear: a session has lost its leader.
using SessionEnded = void (*)(std::uint32_t session, std::uint64_t terminal);

class alignas(64) TaskTable {
 public:
  explicit TaskTable(Allocator& allocator) : allocator_(allocator), numbers_(allocator) {}
  ~TaskTable();

  void SetSessionEnded(SessionEnded hook) { session_ended_ = hook; }

  // -- birth and death --
  // A child of `parent`, a live task of the process that asks (`caller`; its number may have become
  // a stranger's since the call began: kNoProcess); 0: a task that the kernel starts itself. Such a
  // task heads a family of its own: orphans below it are its children at last, and who is orphaned
  // by its end is nobody's. Its number: another dispatcher of the host may end the task before its
  // maker looks at anything.
  Result<std::uint32_t> Create(const TaskHost* caller, std::uint32_t parent,
                               std::uint32_t exit_signal, TaskHost* host, bool is_main,
                               std::uint64_t now_ns);
  // There is no first process: its number, and with it what follows from its end, is nobody else's.
  void PassFirstNumber() {
    machine::SpinGuard guard(lock_);
    numbers_.PassFirst();
  }
  // kLimitExceeded if the caller's user may have no more tasks.
  Status RequireRoom(std::uint32_t caller);
  // The task, which lived as one of several in a process, is now the main task of `host`.
  Status Adopt(std::uint32_t caller, std::uint32_t number, TaskHost* from, TaskHost* host);
  struct Times {
    std::uint64_t user_ns, system_ns, peak_resident;
  };
  // The process has gone: its main task ends as said, others as killed.
  void EndHost(TaskHost* host, ExitKind kind, std::uint32_t code, const Times& times);
  // All but its main task end as killed.
  void EndGuests(TaskHost* host);
  // A task that is not its process's main one.
  Status EndOwn(TaskHost* host, std::uint32_t number, ExitKind kind, std::uint32_t code);

  Result<std::uint32_t> NewThread(std::uint32_t caller, std::uint32_t task);
  Status EndThread(std::uint32_t caller, std::uint32_t thread);

  // kOk, kNoChild, or none yet: kPending, the ticket will be fired once when any child has
  // something to tell (kNoMemory, kLimitExceeded: it will not); without one kWouldBlock.
  Status Wait(std::uint32_t caller, const WaitRequest& request, const cobj::Ticket& ticket,
              WaitResult* found);

  // The listener is told of the end of that task, at once if it is over. Returns when it was born,
  // by which it is known from a later one of the same number.
  Result<std::uint64_t> ListenForEnd(std::uint32_t caller, std::uint32_t number,
                                     TaskEndListener& listener);
  void StopListening(TaskEndListener& listener);

  // -- signals --
  Result<std::uint32_t> Kill(std::uint32_t caller, const SignalRequest& request);
  // From the kernel itself: terminals, limits. No permission asked.
  void KillGroup(std::uint32_t group, const SignalInfo& info);
  void KillTask(std::uint32_t task, const SignalInfo& info);
  Status Take(std::uint32_t caller, std::uint32_t task, std::uint64_t allowed, SignalInfo* info);
  Result<std::uint64_t> Pending(std::uint32_t caller, std::uint32_t task);
  Status Stop(std::uint32_t caller, std::uint32_t task, std::uint32_t signal);

  // -- groups and sessions --
  Status SetGroup(std::uint32_t caller, std::uint32_t task, std::uint32_t group);
  Result<std::uint32_t> NewSession(std::uint32_t caller);
  // The session's controlling terminal; 0 takes it away. Only its leader has the right to set one.
  Status SetTerminal(std::uint32_t caller, std::uint64_t terminal);
  Status SetForeground(std::uint32_t caller, std::uint32_t group);
  // True if a background group that nobody outside it in its session could continue.
  bool IsOrphaned(std::uint32_t group);
  bool IsOwnTask(const TaskHost& host, std::uint32_t number);

  // -- what is known of a task --
  // Calls visit(task) under the lock; kNoProcess. `visit` must be short and call nobody.
  static constexpr machine::HoldReason kVisit{4000,
                                              "at most 63 dispatchers of a process are looked at"};
  template <typename Visitor>
  Status Visit(std::uint32_t caller, std::uint32_t number, Visitor visit) {
    machine::SpinGuard guard(lock_, kVisit);
    Task* task = FindLocked(number == 0 ? caller : number);
    if (task == nullptr)
      return Status::kNoProcess;
    return visit(*task);
  }
  Status GetInfo(std::uint32_t caller, std::uint32_t number, TaskInfo* info);
  std::uint32_t List(std::uint32_t after, bool threads_of, std::uint32_t task,
                     std::span<std::uint32_t> numbers);
  Status GetCredential(std::uint32_t caller, std::uint32_t task, Credential* credential);
  Status SetCredential(std::uint32_t caller, std::uint32_t task, bool groups,
                       const Credential& credential);
  // May the caller control that task (its memory, limits, schedule)?
  Status RequireControl(std::uint32_t caller, std::uint32_t task);
  std::uint32_t count() const { return count_; }

 private:
  // Those whom a change concerns; told when it is over, without the lock.
  using Fired = IntrusiveList<ChildWaiter>;
  static constexpr std::uint32_t kMaxWaiters = 4096;  // of one task

  // What is left to tell without the lock after a task has ended.
  struct Ending {
    Fired fired;
    std::uint32_t session = 0;  // it has lost its leader
    std::uint64_t terminal = 0;
    bool listeners = false;  // are to be told
  };

  Task* FindOfLocked(const TaskHost* host, bool is_main) const K42_REQUIRES(lock_);
  // Finds and ends within one hold of the lock: nobody else has ended it in between.
  bool EndOneOf(const TaskHost* host, bool is_main, ExitKind kind, std::uint32_t code,
                const Times& times);
  void EndLocked(Task* task, ExitKind kind, std::uint32_t code, const Times& times, Ending* ending)
      K42_REQUIRES(lock_);
  void Tell(Ending& ending);
  void Fire(Fired& fired);
  Status WaitLocked(std::uint32_t caller, const WaitRequest& request, ChildWaiter** waiter,
                    WaitResult* found) K42_REQUIRES(lock_);
  Task* FindLocked(std::uint32_t number) const K42_REQUIRES(lock_);
  // The task `number` if it lives in the caller's process.
  Task* FindOwnLocked(std::uint32_t caller, std::uint32_t number) const K42_REQUIRES(lock_);
  template <typename F>
  void ForEachLocked(F visit) const K42_REQUIRES(lock_);
  void PostLocked(Task& task, const SignalInfo& info, Fired* fired) K42_REQUIRES(lock_);
  void StopLocked(Task& task, std::uint32_t signal, Fired* fired) K42_REQUIRES(lock_);
  void TellParentLocked(Task& child, ExitKind kind, std::uint32_t code, Fired* fired)
      K42_REQUIRES(lock_);
  void ReparentLocked(Task& task, Fired* fired) K42_REQUIRES(lock_);
  bool IsOrphanedLocked(std::uint32_t group) const K42_REQUIRES(lock_);
  void WakeOrphanedGroupLocked(std::uint32_t group, Fired* fired) K42_REQUIRES(lock_);
  void ReleaseLocked(Task* task) K42_REQUIRES(lock_);
  void TellListeners();
  Task* LeaderLocked(const Task& task) const K42_REQUIRES(lock_);

  Allocator& allocator_;
  SessionEnded session_ended_ = nullptr;
  // One cache line for what each birth and each end writes: these, and the numbers' first words.
  std::uint32_t count_ = 0;
  machine::SpinLock<LockRank::kTasks> lock_;
  NumberTable numbers_ K42_GUARDED_BY(lock_);
  // Of tasks that have ended, still to be told.
  IntrusiveList<TaskEndListener, ByListener> to_tell_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::proc
