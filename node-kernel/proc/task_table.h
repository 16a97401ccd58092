// TaskTable: all tasks of a node: numbers, the family tree, groups, sessions, signals, waiting.
//
// No lock for everything: each task has its own (task.h), and processes that come and go on
// different CPUs, of different parents, write no line in common. A task is found by its number
// without a lock. What concerns many tasks (groups, sessions) walks over the numbers and looks at
// one task at a time; births keep out of such walks where one that is missed would matter
// (birth_gate.h), and so do other walks. Nothing is called under a lock but TaskHost's methods;
// tickets are fired, and listeners told, without any.
//
// `caller` is the number of the task on whose behalf is asked. A task named 0 is the caller. The
// calling thread is active (cobj/grace.h): tasks that it found stay until it is not.
//
// Files: task_table.cc (birth, death), task_retired.cc, task_family.cc (what parents and children
// know of each other's change), task_wait.cc, task_signals.cc, task_groups.cc, task_info.cc,
// task_listeners.cc.
#pragma once

#include <cstdint>
#include <span>

#include "base/allocator.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "machine/cpu.h"
#include "machine/spin_lock.h"
#include "proc/birth_gate.h"
#include "proc/number_table.h"
#include "proc/task.h"
#include "proc/task_holds.h"

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
  // maker looks at anything. kCancelled: the parent was stopped, or a signal to many has reached
  // it, which its child must not escape: once for each such signal.
  Result<std::uint32_t> Create(const TaskHost* caller, std::uint32_t parent,
                               std::uint32_t exit_signal, TaskHost* host, bool is_main,
                               std::uint64_t now_ns);
  // There is no first process: its number, and with it what follows from its end, is nobody else's.
  void PassFirstNumber() { numbers_.PassFirst(); }
  // kLimitExceeded if the caller's user may have no more tasks and threads, or, for user 0 can
  // still make some then, the node nearly has no numbers left.
  Status RequireRoom(std::uint32_t caller);
  // The task, which lived as one of several in a process, is now the main task of `host`.
  Status Adopt(std::uint32_t caller, std::uint32_t number, TaskHost* from, TaskHost* host);
  struct Times {
    std::uint64_t user_ns, system_ns, peak_resident;
  };
  // The process has gone: its main task ends as said, others as killed.
  void EndHost(TaskHost* host, ExitKind kind, std::uint32_t code, const Times& times);
  // All but its main task end as killed. Nobody makes one meanwhile.
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
  // How many were reached. kLimitExceeded: the one that was named has no room for another signal of
  // that number that is queued with what it says (info.code is not 0).
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
  bool IsOrphaned(std::uint32_t group) const;
  bool IsOwnTask(const TaskHost& host, std::uint32_t number) const;

  // -- what is known of a task --
  // Calls visit(task) under its lock; kNoProcess. `visit` must be short and call nobody.
  template <typename Visitor>
  Status Visit(std::uint32_t caller, std::uint32_t number, Visitor visit,
               const machine::HoldReason& reason = kRecordHold) {
    Task* task = Find(number == 0 ? caller : number);
    if (task == nullptr)
      return Status::kNoProcess;
    machine::SpinGuard guard(task->lock, reason);
    return visit(*task);
  }
  Status GetInfo(std::uint32_t caller, std::uint32_t number, TaskInfo* info);
  // A reference to the text, which may be long.
  Status GetText(std::uint32_t caller, std::uint32_t number, TaskText which, HeldText* text);
  std::uint32_t List(std::uint32_t after, bool threads_of, std::uint32_t task,
                     std::span<std::uint32_t> numbers);
  Status GetCredential(std::uint32_t caller, std::uint32_t task, Credential* credential);
  Status SetCredential(std::uint32_t caller, std::uint32_t task, bool groups,
                       const Credential& credential);
  // May the caller control that task (its memory, limits, schedule)?
  Status RequireControl(std::uint32_t caller, std::uint32_t task);
  // Never less than there are.
  std::uint32_t count() const;

 private:
  // Those whom a change concerns; told when it is over, without the lock.
  using Fired = ChildWaiters::List;

  // What is left to do without the lock after a task has ended.
  struct Ending {
    Fired fired;
    TaskChange change;
    std::uint32_t threads = 1;
    std::uint64_t terminal = 0;  // the session's, if it has led one
  };
  // Who sends a signal.
  struct Sender {
    bool is_kernel = true;
    std::uint32_t session = 0;
    Credential credential;  // the user's numbers only, and only of a task
  };
  // While it lives no task is born, and nobody else's group or session changes.
  class Walk {
   public:
    explicit Walk(TaskTable& table);
    ~Walk();
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;

   private:
    BirthGate& gate_;
  };
  // While it lives no walk is on. Whoever has one does not wait.
  class Birth {
   public:
    explicit Birth(BirthGate& gate);
    ~Birth() { gate_.Leave(cpu_); }
    Birth(const Birth&) = delete;
    Birth& operator=(const Birth&) = delete;

   private:
    BirthGate& gate_;
    machine::CpuId cpu_ = 0;
  };
  struct alignas(64) PerCpu {  // written by the CPU's own threads
    std::atomic<std::uint32_t> born{0};
    std::atomic<std::uint32_t> gone{0};
    Task* released = nullptr;
    std::uint32_t released_count = 0;
    Task* retired = nullptr;
    std::uint32_t retired_count = 0;
    std::uint32_t retired_most = kRetiredFirst;
  };
  static constexpr std::uint32_t kReleasedPiece = 32;
  static constexpr std::uint32_t kRetiredFirst = 256;

  // One that has ended has no host, and is nobody's own.
  Task* Find(std::uint32_t number) const {
    const NumberTable::Slot slot = numbers_.Find(number);
    return slot.is_thread ? nullptr : slot.task;
  }
  static TaskHost* HostOf(const Task& task);
  // The task `number` if it lives in the caller's process, `host`; which is to be asked again under
  // the task's lock.
  Task* FindOwn(std::uint32_t caller, std::uint32_t number, const TaskHost** host) const;
  template <typename F>
  void ForEach(F visit) const {
    for (std::uint32_t number = 0; (number = numbers_.Next(number, false)) != 0;) {
      if (Task* task = Find(number))
        visit(*task);
    }
  }

  // task_table.cc
  static Status Bear(Task& parent, const TaskHost* caller, Task& child) K42_REQUIRES(parent.lock);
  static bool Finish(Task& task, TaskHost* host, bool is_main, ExitKind kind, std::uint32_t code,
                     const Times& times, Ending* ending);
  void End(Task& task, Ending& ending);
  void FreeThreads(Task& task, std::uint32_t count);
  void Release(Task& task);
  void FreeMemory(Task& task);
  void Fire(Fired& fired);

  // task_retired.cc
  void Retire(Task& task);
  Task* Unnamed(Task* retired, Task** named);

  // task_family.cc
  void TellParent(Task& child, TaskChange change, Fired* fired);
  void TellEnd(Task& task, const TaskChange& change, Fired* fired);
  static TaskChange NoteEndLocked(Task& parent, Task& child, Fired* fired)
      K42_REQUIRES(parent.lock);
  void HandOverChildren(Task& task, Fired* fired);
  Task* SettleWith(Task& child, Task* heir, bool is_over, Fired* fired);
  static Task* HeirOf(const Task& task);
  void TellOrphan(Task& child, const Task& parent, Fired* fired);
  static bool IsLink(const Task& task, const Task* parent);
  void WakeIfOrphaned(std::uint32_t group, Fired* fired);

  // task_wait.cc
  struct Look {              // over the children, in pieces
    Task* last = nullptr;    // looked at; null: begin with the first
    std::uint32_t news = 0;  // the parent's, when the look began
    bool any = false;        // there is one that is waited for
    bool is_late = false;    // there were news during a whole look
    Task* over = nullptr;    // what was found is its end
    Task* gone = nullptr;    // to be released
  };
  static Status LookLocked(Task& parent, const WaitRequest& request, Look& look, WaitResult* found)
      K42_REQUIRES(parent.lock);
  Status WaitForOne(Task& parent, const TaskHost* host, const WaitRequest& request,
                    ChildWaiter** waiter, Look& look, WaitResult* found);

  // task_signals.cc: what the parent is to be told then.
  // `has_room`: whether all that it says is kept. A signal that is queued may be pending already,
  // and one more of it have no place.
  static TaskChange PostLocked(Task& task, const SignalInfo& info, bool* has_room = nullptr)
      K42_REQUIRES(task.lock);
  static TaskChange StopLocked(Task& task, std::uint32_t signal) K42_REQUIRES(task.lock);
  enum class Sent { kReached, kRefused, kNoRoom };
  // `to_many`: to whoever is found in a walk.
  Sent Send(const Sender& sender, Task& task, const SignalInfo& info, bool to_many, Fired* fired);
  std::uint32_t SendAll(const Sender& sender, const SignalInfo& info,
                        FunctionRef<bool(const Task&)> concerns, std::uint32_t* refused);

  bool HasMember(std::uint32_t group, std::uint32_t session) const;
  Task* LeaderOf(const Task& task) const;
  // Its listeners know that it is over: before its parent does something because of that. Told they
  // are by who has ended it.
  void MarkListeners(Task& task);
  void TellListeners();

  Allocator& allocator_;
  SessionEnded session_ended_ = nullptr;
  NumberTable numbers_;
  BirthGate births_;
  PerCpu cpus_[machine::kMaxCpus];
  machine::SpinLock<LockRank::kTasks> listeners_;
  // Of tasks that are over, still to be told.
  IntrusiveList<TaskEndListener, ByListener> to_tell_ K42_GUARDED_BY(listeners_);
};

}  // namespace k42::proc
