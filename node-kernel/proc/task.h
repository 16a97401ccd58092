// Task: what has a number, a parent, a group, a credential, pending signals and an exit status.
//
// States:  running <-> stopped;  running, stopped -> zombie -> gone.
// A zombie has given back everything but this record; it goes when its parent has waited for it, or
// at once if the parent does not want to know.
//
// All fields are the task table's, under its lock (task_table.h). A task is reached by its number
// or by lists of other tasks, never kept by pointer across the lock: not by the process it lives in
// either, of whose dispatchers another may end it meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/intrusive_list.h"
#include "base/ref_counted.h"
#include "cobj/ticket.h"
#include "proc/process.types.h"
#include "proc/signal_state.h"

namespace k42::proc {

class Task;

// The process a task lives in, as the table sees it. Called under the table's lock: these only
// leave word (Dispatcher::Post and Ask); they take no lock and do not wait.
class TaskHost {
 public:
  // The task's pending signals changed.
  virtual void SignalsChanged(Task& task) = 0;
  // The task has another parent (it is new, has become a main task, or its parent has ended), or
  // another credential.
  virtual void IdentityChanged(Task& task) = 0;
  virtual void StopRunning() = 0;
  virtual void ContinueRunning() = 0;
  // Ends the process as if its main task had said so.
  virtual void EndRunning(ExitKind kind, std::uint32_t code) = 0;

 protected:
  ~TaskHost() = default;
};

// Who wants to learn of a task's end. The table holds a reference until it has told.
class TaskEndListener : public RefCounted, public ListLink<struct ByListener> {
 public:
  // The task has become a zombie, or is gone: by then all its listeners know, some not told yet.
  bool has_ended() const { return ended_.load(std::memory_order_acquire); }
  // Once; without the table's lock.
  virtual void TaskEnded() = 0;

  void SetEnded() { ended_.store(true, std::memory_order_release); }  // the table's

 protected:
  ~TaskEndListener() = default;

 private:
  std::atomic<bool> ended_{false};
};

// Texts for /proc: made when first set, shared with forked children until either sets its own.
struct SharedText {
  std::uint32_t references = 1;  // under the table's lock
  std::uint32_t size = 0;
  char bytes[1];  // `size` of them

  static constexpr std::size_t Room(std::size_t size) { return sizeof(SharedText) + size; }
};
struct TaskTexts {
  SharedText* text[5] = {};  // null: not set

  std::string_view Get(TaskText which) const {
    const SharedText* found = text[static_cast<std::uint32_t>(which)];
    return found == nullptr ? std::string_view() : std::string_view(found->bytes, found->size);
  }
};

// A thread that waits until a child of its task has something to tell. Fired once, then gone; one
// that was given up stays until its ticket waits again, and is fired in vain.
struct ChildWaiter : ListLink<> {
  cobj::Ticket ticket;
};

struct BySiblings;
struct ByProcess;

class Task final : public ListLink<BySiblings>, public ListLink<ByProcess> {
 public:
  static constexpr std::uint32_t kLimits = 16;

  std::uint32_t number = 0;
  TaskState state = TaskState::kRunning;
  Task* parent = nullptr;
  IntrusiveList<Task, BySiblings> children;  // running, stopped and zombies
  TaskHost* host = nullptr;                  // null: zombie
  bool is_main = true;
  bool heads_family = false;  // started by the kernel, not by another task

  std::uint32_t group = 0;
  std::uint32_t session = 0;
  std::uint64_t terminal = 0;          // the session's: device number, in its leader
  std::uint32_t foreground_group = 0;  // of that terminal
  Credential credential = {};
  SignalState signals;
  std::uint32_t exit_signal = 0;
  std::uint64_t options[5] = {};
  Limit limits[kLimits] = {};
  std::int32_t nice = 0;

  // What the parent has not yet been told.
  bool report_stop = false;
  bool report_continue = false;
  std::uint32_t stop_signal = 0;
  ExitKind exit_kind = ExitKind::kExited;
  std::uint32_t exit_code = 0;

  std::uint32_t threads = 1;
  std::uint64_t start_ns = 0;
  std::uint64_t user_ns = 0;  // final, once a zombie
  std::uint64_t system_ns = 0;
  std::uint64_t children_user_ns = 0;
  std::uint64_t children_system_ns = 0;
  std::uint64_t peak_resident = 0;

  // Whom to tell that a child has changed its state: as many as there are threads that wait.
  IntrusiveList<ChildWaiter> waiters;
  std::uint32_t waiter_count = 0;

  IntrusiveList<TaskEndListener, ByListener> end_listeners;

  TaskTexts texts;
};

}  // namespace k42::proc
