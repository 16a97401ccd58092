// Task: what has a number, a parent, a group, a credential, pending signals and an exit status.
//
// States:  running <-> stopped;  running, stopped -> zombie -> over -> gone.
// A zombie has given back everything but this record. It is over once its parent knows; it goes
// when its parent has waited for it, or at once if the parent does not want to know.
//
// Locking: each task has a lock, and nobody holds two. What changes two of them (a child's state,
// which its parent is told) is done one after the other, see task_family.cc. Fields say what guards
// them. A task is reached by its number, or by words and lists of other tasks; its memory stays for
// two grace periods after its release (TaskTable::Release), so a pointer is good without a lock
// while the thread is active.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/intrusive_list.h"
#include "base/intrusive_tree.h"
#include "base/ref_counted.h"
#include "cobj/grace.h"
#include "cobj/ticket.h"
#include "machine/spin_lock.h"
#include "proc/process.types.h"
#include "proc/shared_text.h"
#include "proc/signal_state.h"

namespace k42::proc {

class Task;

// The process a task lives in, as the table sees it. Called under the task's lock: these only
// leave word (Dispatcher::Post and Ask); they take no lock and do not wait.
//
// A process runs while none of its tasks is stopped. Each of them is stopped under its own lock, so
// whoever changes their number leaves word, and leaves it again if the number has changed meanwhile
// to mean something else: the last word left is the right one.
class TaskHost {
 public:
  // One of its tasks, running so far, is stopped; one that was stopped goes on, or is its no more.
  void TaskStops() {
    stopped_tasks_.fetch_add(1);
    LeaveWord();
  }
  void TaskGoesOn() {
    stopped_tasks_.fetch_sub(1);
    LeaveWord();
  }

  // The task's pending signals changed.
  virtual void SignalsChanged(Task& task) = 0;
  // The task has another parent (it is new, has become a main task, or its parent has ended), or
  // another credential.
  virtual void IdentityChanged(Task& task) = 0;
  virtual void StopRunning() = 0;
  virtual void ContinueRunning() = 0;
  // Ends the process as if its main task had said so.
  virtual void EndRunning(ExitKind kind, std::uint32_t code) = 0;

  // What the table knows of it.
  struct Tasks {
    std::atomic<std::uint32_t> main{0};    // number of its main task; 0: none
    std::atomic<std::uint32_t> guests{0};  // tasks beside it
  } own_tasks;

 protected:
  ~TaskHost() = default;

 private:
  void LeaveWord() {
    bool stops = false;
    do {
      stops = stopped_tasks_.load() != 0;
      stops ? StopRunning() : ContinueRunning();
    } while ((stopped_tasks_.load() != 0) != stops);
  }

  std::atomic<std::uint32_t> stopped_tasks_{0};
};

// Who wants to learn of a task's end. The table holds a reference until it has told.
class TaskEndListener : public RefCounted, public ListLink<struct ByListener> {
 public:
  // The task is over, or gone: by then all its listeners know, some not told yet.
  bool has_ended() const { return ended_.load(std::memory_order_acquire); }
  // Once; without a lock of the table.
  virtual void TaskEnded() = 0;

  void SetEnded() { ended_.store(true, std::memory_order_release); }  // the table's

 protected:
  ~TaskEndListener() = default;

 private:
  std::atomic<bool> ended_{false};
};

// A thread that waits until a child of its task has something to tell. Fired once, then gone; one
// that was given up stays until its ticket waits again, and is fired in vain.
struct ChildWaiter : ListLink<>, TreeLink<ChildWaiter> {
  cobj::Ticket ticket;

  std::uint64_t TreeKey() const;  // the same for two uses of one ticket
};

// Of one task: as many as there are threads that wait. Plain data under its lock.
class ChildWaiters {
 public:
  static constexpr std::uint32_t kMost = 4096;
  using List = IntrusiveList<ChildWaiter>;

  // kInPlace: an earlier one with its ticket's number is used for it. kRefused: there are kMost.
  enum class Added { kNew, kInPlace, kRefused };
  Added Add(ChildWaiter* waiter);
  void TakeAll(List* list);

 private:
  List all_;
  std::optional<IntrusiveTree<ChildWaiter>> by_ticket_{std::in_place};
};

// A change of a task's state that its parent is to be told.
struct TaskChange {
  ExitKind kind = ExitKind::kExited;
  std::uint32_t code = 0;
  std::uint32_t turn = 0;  // 0: none
  std::uint32_t user = 0;  // of the task
};

struct BySiblings;

class alignas(64) Task final : public ListLink<BySiblings> {  // the link: parent's lock
 public:
  static constexpr std::uint32_t kLimits = 16;

  // Guards what is said below to be under it. Not annotated yet: who makes a task sets its fields
  // before anybody else knows it.
  mutable machine::SpinLock<LockRank::kTasks> lock;

  // -- constant once it is found --
  std::uint32_t number = 0;
  bool heads_family = false;  // started by the kernel, not by another task
  std::uint64_t start_ns = 0;

  // -- read without a lock --
  std::atomic<Task*> parent{nullptr};  // changed under the parent's lock; null stays null
  std::atomic<TaskState> state{TaskState::kRunning};
  std::atomic<bool> over{false};              // changed under the parent's lock
  std::atomic<std::uint32_t> exit_signal{0};  // likewise
  std::atomic<bool> listened{false};          // somebody listens for the end
  // Changed while no task is born, by one thread at a time.
  std::atomic<std::uint32_t> group{0};
  std::atomic<std::uint32_t> session{0};
  std::atomic<std::uint64_t> options[5] = {};
  std::atomic<std::uint64_t> children_user_ns{0};
  std::atomic<std::uint64_t> children_system_ns{0};

  // -- under its lock --
  TaskHost* host = nullptr;  // null: zombie
  bool is_main = true;
  std::uint32_t threads = 1;
  std::int32_t nice = 0;
  std::uint32_t turn = 0;              // counts changes of state
  std::uint64_t terminal = 0;          // the session's: device number, in its leader
  std::uint32_t foreground_group = 0;  // of that terminal
  Credential credential = {};
  SignalState signals;
  Limit limits[kLimits] = {};
  TaskTexts texts;
  IntrusiveList<Task, BySiblings> children;  // running, stopped and zombies
  std::uint32_t news = 0;                    // counts what children had to tell
  ChildWaiters waiters;

  // -- final, once a zombie --
  ExitKind exit_kind = ExitKind::kExited;
  std::uint32_t exit_code = 0;
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
  std::uint64_t peak_resident = 0;

  // -- under its parent's lock: what the parent has not yet been told --
  bool report_stop = false;
  bool report_continue = false;
  std::uint32_t stop_signal = 0;
  std::uint32_t told_turn = 0;  // the latest change that the parent knows
  std::uint32_t told_user = 0;

  // -- under the table's lock of listeners --
  IntrusiveList<TaskEndListener, ByListener> end_listeners;

  // -- once it is released --
  struct Departure : cobj::GraceWait {
    Allocator* allocator = nullptr;
    Task* first = nullptr;
  };
  Departure departure;
  Task* next_released = nullptr;
};

}  // namespace k42::proc
