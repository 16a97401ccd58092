// What relatives know of each other: a parent is told of its children's changes, orphans get an
// heir. Nobody holds two tasks' locks, so a child's change and its parent's knowledge of it are
// two steps. Changes of a task are counted (turn): what comes too late is not believed.
//
// A child that goes from one parent to the other is in neither's list for a moment: its `parent`
// is the heir already, whose lock guards from then on what the parent is told. If it is over
// meanwhile that is noted, and whoever brings it tells the heir. An heir that has ended takes no
// child: it goes further up, to nobody (null) at last, and who is nobody's is released by whoever
// comes second: the one that ends it, or the one that brings it.
#include "machine/thread.h"
#include "proc/task_table.h"

namespace k42::proc {

using machine::SpinGuard;

namespace {

constexpr auto kAdopts = static_cast<std::uint32_t>(TaskOption::kAdoptOrphans);
constexpr auto kDeathSignal = static_cast<std::uint32_t>(TaskOption::kParentDeathSignal);
constexpr auto kNoNotice = static_cast<std::uint32_t>(TaskOption::kNoStopNotice);
constexpr auto kReap = static_cast<std::uint32_t>(TaskOption::kReapChildren);

SignalInfo Notice(const Task& child, std::uint32_t signal, ExitKind kind, std::uint32_t code) {
  SignalInfo info = {};
  info.signal = signal;
  info.code = static_cast<std::int32_t>(kind) + 1;
  info.sender = child.number;
  info.sender_user = child.told_user;
  info.status = code;
  return info;
}

}  // namespace

// A stopped or continued child; its parent's end or stop may be news to the parent's parent.
void TaskTable::TellParent(Task& child, TaskChange change, Fired* fired) {
  for (Task* task = &child; change.turn != 0;) {
    Task* parent = task->parent.load(std::memory_order_acquire);
    if (parent == nullptr)
      return;
    SpinGuard guard(parent->lock, kSignalHold);
    if (task->parent.load(std::memory_order_relaxed) != parent)
      continue;
    if (static_cast<std::int32_t>(change.turn - task->told_turn) <= 0)
      return;
    task->told_turn = change.turn;
    task->told_user = change.user;
    task->report_stop = change.kind == ExitKind::kStopped;
    task->report_continue = !task->report_stop;
    if (task->report_stop)
      task->stop_signal = change.code;
    TaskChange next;
    if (parent->options[kNoNotice].load(std::memory_order_relaxed) == 0)
      next = PostLocked(*parent, Notice(*task, abi::kSignalChild, change.kind, change.code));
    ++parent->news;
    parent->waiters.TakeAll(fired);
    task = parent;
    change = next;
  }
}

TaskChange TaskTable::NoteEndLocked(Task& parent, Task& child, Fired* fired) {
  TaskChange change;
  if (const std::uint32_t signal = child.exit_signal; signal != 0)
    change = PostLocked(parent, Notice(child, signal, child.exit_kind, child.exit_code));
  ++parent.news;
  parent.waiters.TakeAll(fired);
  return change;
}

void TaskTable::TellEnd(Task& task, const TaskChange& change, Fired* fired) {
  TaskChange of_parent;
  bool is_nobodys = false;
  Task* parent = nullptr;
  for (bool is_told = false; !is_told;) {
    parent = task.parent.load(std::memory_order_acquire);
    if (parent == nullptr) {
      task.over.store(true);
      return Release(task);
    }
    SpinGuard guard(parent->lock, kSignalHold);
    if (task.parent.load(std::memory_order_relaxed) != parent)
      continue;
    task.over.store(true);
    task.told_turn = change.turn;
    task.told_user = change.user;
    task.report_stop = task.report_continue = false;
    if (!task.linked())
      return;  // on its way to this parent
    of_parent = NoteEndLocked(*parent, task, fired);
    is_nobodys = parent->options[kReap].load(std::memory_order_relaxed) != 0;
    if (is_nobodys)
      IntrusiveList<Task, BySiblings>::Remove(&task);
    is_told = true;
  }
  if (is_nobodys)
    Release(task);
  TellParent(*parent, of_parent, fired);
}

Task* TaskTable::HeirOf(const Task& task) {
  const auto is_over = [](const Task& heir) {
    return heir.state.load(std::memory_order_relaxed) == TaskState::kZombie;
  };
  Task* heir = task.parent.load(std::memory_order_acquire);
  while (heir != nullptr && !heir->heads_family &&
         (heir->options[kAdopts].load(std::memory_order_relaxed) == 0 || is_over(*heir)))
    heir = heir->parent.load(std::memory_order_acquire);
  return heir != nullptr && is_over(*heir) ? nullptr : heir;
}

// The child's parent is `heir` already. Returns whom it has at last.
Task* TaskTable::SettleWith(Task& child, Task* heir, bool is_over, Fired* fired) {
  while (heir != nullptr) {
    Task* const next = HeirOf(*heir);
    TaskChange change;
    bool has_come = false, is_nobodys = false;
    {
      SpinGuard guard(heir->lock, kSignalHold);
      is_over = child.over.load(std::memory_order_relaxed);
      has_come = heir->host != nullptr;
      is_nobodys = has_come && is_over && heir->options[kReap].load(std::memory_order_relaxed) != 0;
      if (is_nobodys) {
        change = NoteEndLocked(*heir, child, fired);
      } else if (has_come) {
        heir->children.PushBack(&child);
        if (is_over) {
          change = NoteEndLocked(*heir, child, fired);
        } else if (child.report_stop || child.report_continue) {
          ++heir->news;  // those who looked for it on its way did not find it
          heir->waiters.TakeAll(fired);
        }
      } else {
        child.parent.store(next, std::memory_order_release);
      }
    }
    if (is_nobodys)
      Release(child);
    TellParent(*heir, change, fired);
    if (has_come)
      return heir;
    heir = next;
  }
  if (is_over)
    Release(child);  // nobody will ever wait for it
  return nullptr;
}

// Its process shows who the parent is, and it may want a signal.
void TaskTable::TellOrphan(Task& child, const Task& parent, Fired* fired) {
  TaskChange change;
  {
    SpinGuard guard(child.lock, kSignalHold);
    if (child.host == nullptr)
      return;
    child.host->IdentityChanged(child);
    const std::uint64_t signal = child.options[kDeathSignal].load(std::memory_order_relaxed);
    if (signal != 0) {
      SignalInfo info = {};
      info.signal = static_cast<std::uint32_t>(signal);
      info.sender = parent.number;
      change = PostLocked(child, info);
    }
  }
  TellParent(child, change, fired);
}

void TaskTable::HandOverChildren(Task& task, Fired* fired) {
  for (;;) {
    Task* const heir = HeirOf(task);
    Task* child = nullptr;
    bool is_over = false;
    {
      SpinGuard guard(task.lock);
      child = task.children.PopFront();
      if (child == nullptr)
        return;
      child->parent.store(heir, std::memory_order_release);
      // Its maker may have wanted another signal, but not for the heir, whom that could end.
      child->exit_signal = abi::kSignalChild;
      is_over = child->over.load(std::memory_order_relaxed);
    }
    const Task* settled = SettleWith(*child, heir, is_over, fired);
    if (IsLink(*child, &task) && !IsLink(*child, settled) &&
        child->state.load(std::memory_order_relaxed) != TaskState::kZombie)
      WakeIfOrphaned(child->group, fired);
    TellOrphan(*child, task, fired);
    machine::Thread::PreemptionPoint();
  }
}

// -- orphaned groups: no member has a parent outside the group but inside the session -------------

bool TaskTable::IsLink(const Task& task, const Task* parent) {
  return parent != nullptr && parent->group != task.group && parent->session == task.session;
}

bool TaskTable::IsOrphaned(std::uint32_t group) const {
  bool orphaned = true;
  ForEach([&](const Task& task) {
    if (task.group == group && task.state != TaskState::kZombie && IsLink(task, task.parent))
      orphaned = false;
  });
  return orphaned;
}

// After a link has gone. Of two that go at a time, the second at least finds no other; if both do,
// the first that walks wakes all.
void TaskTable::WakeIfOrphaned(std::uint32_t group, Fired* fired) {
  if (!IsOrphaned(group))
    return;
  const Walk walk(*this);
  bool stopped = false;
  ForEach([&](const Task& task) {
    stopped |= task.group == group && task.state == TaskState::kStoppedState;
  });
  if (!stopped)
    return;
  for (const std::uint32_t signal : {abi::kSignalHangup, abi::kSignalContinue}) {
    SignalInfo info = {};
    info.signal = signal;
    ForEach([&](Task& task) {
      if (task.group == group)
        (void)Send({}, task, info, true, fired);
    });
  }
}

}  // namespace k42::proc
