// Birth, death and waiting. Who else is told of an end: task_listeners.cc; signals:
// task_signals.cc; groups, sessions: task_groups.cc; the rest: task_info.cc.
#include "proc/task_table.h"

#include "proc/ticket_number.h"

namespace k42::proc {

using machine::SpinGuard;

namespace {

constexpr machine::HoldReason kWaiting{4000, "some tens of children, or of threads that wait"};

}  // namespace

TaskTable::~TaskTable() {
  for (std::uint32_t number = 0; (number = numbers_.Next(number, false)) != 0;)
    ReleaseLocked(numbers_.Find(number).task);
}

void TaskTable::Fire(Fired& fired) {
  while (ChildWaiter* waiter = fired.PopFront()) {
    (void)waiter->ticket.Fire(Status::kOk, 0);
    allocator_.Destroy(waiter);
  }
}

Task* TaskTable::FindLocked(std::uint32_t number) const {
  const NumberTable::Slot slot = numbers_.Find(number);
  return slot.is_thread ? nullptr : slot.task;
}

Task* TaskTable::FindOwnLocked(std::uint32_t caller, std::uint32_t number) const {
  const Task* self = FindLocked(caller);
  Task* task = FindLocked(number == 0 ? caller : number);
  // One that has ended has no host, and is nobody's own.
  return self != nullptr && self->host != nullptr && task != nullptr && task->host == self->host
             ? task
             : nullptr;
}

Result<std::uint32_t> TaskTable::Create(const TaskHost* caller, std::uint32_t parent_number,
                                        std::uint32_t exit_signal, TaskHost* host, bool is_main,
                                        std::uint64_t now_ns) {
  Task* task = TRY(allocator_.Make<Task>());
  SpinGuard guard(lock_);
  Task* parent = parent_number == 0 ? nullptr : FindLocked(parent_number);
  Result<std::uint32_t> number = Status::kNoProcess;
  if (parent != nullptr ? parent->host == caller : parent_number == 0)
    number = numbers_.Take(task, false);
  if (!number.ok()) {
    allocator_.Destroy(task);
    return number.status();
  }
  task->number = number.value();
  task->host = host;
  task->is_main = is_main;
  task->exit_signal = exit_signal;
  task->start_ns = now_ns;
  ++count_;
  if (parent == nullptr) {
    task->heads_family = true;
    task->group = task->session = task->number;
    for (Limit& limit : task->limits) limit = {~std::uint64_t{0}, ~std::uint64_t{0}};
    return number;
  }
  task->parent = parent;
  parent->children.PushBack(task);
  task->group = parent->group;
  task->session = parent->session;
  task->credential = parent->credential;
  task->nice = parent->nice;
  task->options[static_cast<std::uint32_t>(TaskOption::kDumpable)] =
      parent->options[static_cast<std::uint32_t>(TaskOption::kDumpable)];
  for (std::uint32_t i = 0; i < Task::kLimits; ++i) task->limits[i] = parent->limits[i];
  task->texts = parent->texts;
  for (SharedText* text : task->texts.text) {
    if (text != nullptr)
      ++text->references;
  }
  host->IdentityChanged(*task);
  return number;
}

Status TaskTable::Adopt(std::uint32_t caller, std::uint32_t number, TaskHost* from,
                        TaskHost* host) {
  SpinGuard guard(lock_);
  Task* found = FindOwnLocked(caller, number);
  if (found == nullptr || found->is_main || found->host != from)
    return Status::kNoProcess;
  found->host = host;
  found->is_main = true;
  host->IdentityChanged(*found);
  return Status::kOk;
}

void TaskTable::ReleaseLocked(Task* task) {
  if (task->parent != nullptr)
    IntrusiveList<Task, BySiblings>::Remove(task);
  for (SharedText* text : task->texts.text) {
    if (text != nullptr && --text->references == 0)
      allocator_.Free(text, SharedText::Room(text->size));
  }
  numbers_.Free(task->number);
  --count_;
  while (Task* child = task->children.PopFront()) child->parent = nullptr;
  while (ChildWaiter* waiter = task->waiters.PopFront()) allocator_.Destroy(waiter);
  allocator_.Destroy(task);
}

void TaskTable::ReparentLocked(Task& task, Fired* fired) {
  Task* heir = task.parent;
  constexpr auto kAdopts = static_cast<std::uint32_t>(TaskOption::kAdoptOrphans);
  while (heir != nullptr && !heir->heads_family &&
         (heir->options[kAdopts] == 0 || heir->state == TaskState::kZombie))
    heir = heir->parent;
  while (Task* child = task.children.Front()) {
    const bool was_orphaned = IsOrphanedLocked(child->group);
    IntrusiveList<Task, BySiblings>::Remove(child);
    child->parent = heir;
    // Its maker may have wanted another signal, but not for the heir, whom that could end.
    child->exit_signal = abi::kSignalChild;
    if (child->host != nullptr)
      child->host->IdentityChanged(*child);
    if (heir == nullptr) {
      if (child->state == TaskState::kZombie)
        ReleaseLocked(child);  // nobody will ever wait for it
      continue;
    }
    heir->children.PushBack(child);
    if (!was_orphaned && IsOrphanedLocked(child->group))
      WakeOrphanedGroupLocked(child->group, fired);
    constexpr auto kDeathSignal = static_cast<std::uint32_t>(TaskOption::kParentDeathSignal);
    if (const auto signal = static_cast<std::uint32_t>(child->options[kDeathSignal]); signal != 0) {
      SignalInfo info = {};
      info.signal = signal;
      info.sender = task.number;
      PostLocked(*child, info, fired);
    }
    if (child->state == TaskState::kZombie)
      TellParentLocked(*child, child->exit_kind, child->exit_code, fired);
  }
}

void TaskTable::TellParentLocked(Task& child, ExitKind kind, std::uint32_t code, Fired* fired) {
  Task* parent = child.parent;
  if (parent == nullptr)
    return;
  const bool is_end = kind != ExitKind::kStopped && kind != ExitKind::kContinued;
  constexpr auto kNoNotice = static_cast<std::uint32_t>(TaskOption::kNoStopNotice);
  const std::uint32_t signal = is_end ? child.exit_signal : std::uint32_t{abi::kSignalChild};
  if (signal != 0 && (is_end || parent->options[kNoNotice] == 0)) {
    SignalInfo info = {};
    info.signal = signal;
    info.code = static_cast<std::int32_t>(kind) + 1;
    info.sender = child.number;
    info.sender_user = child.credential.user;
    info.status = code;
    PostLocked(*parent, info, fired);
  }
  fired->Append(parent->waiters);
  parent->waiter_count = 0;
}

void TaskTable::EndLocked(Task* task, ExitKind kind, std::uint32_t code, const Times& times,
                          Ending* ending) {
  const bool was_orphaned = IsOrphanedLocked(task->group);
  task->state = TaskState::kZombie;
  task->host = nullptr;
  task->exit_kind = kind;
  task->exit_code = code;
  task->user_ns = times.user_ns;
  task->system_ns = times.system_ns;
  task->peak_resident = times.peak_resident;
  task->report_stop = task->report_continue = false;
  for (std::uint32_t thread = 0;
       task->threads > 1 && (thread = numbers_.Next(thread, true)) != 0;) {
    if (numbers_.Find(thread).task == task) {
      numbers_.Free(thread);
      --task->threads;
    }
  }
  if (task->session == task->number && task->terminal != 0) {
    ending->session = task->session;
    ending->terminal = task->terminal;
  }
  ending->listeners = !task->end_listeners.empty();
  for (TaskEndListener& listener : task->end_listeners) listener.SetEnded();
  to_tell_.Append(task->end_listeners);
  // Who acted for it waits for nothing any more.
  ending->fired.Append(task->waiters);
  task->waiter_count = 0;
  ReparentLocked(*task, &ending->fired);
  if (!was_orphaned && IsOrphanedLocked(task->group))
    WakeOrphanedGroupLocked(task->group, &ending->fired);
  TellParentLocked(*task, kind, code, &ending->fired);
  constexpr auto kReap = static_cast<std::uint32_t>(TaskOption::kReapChildren);
  if (task->parent == nullptr || task->parent->options[kReap] != 0) {
    if (task->parent != nullptr) {
      task->parent->children_user_ns += task->user_ns + task->children_user_ns;
      task->parent->children_system_ns += task->system_ns + task->children_system_ns;
    }
    ReleaseLocked(task);
  }
}

void TaskTable::Tell(Ending& ending) {
  Fire(ending.fired);
  if (ending.listeners)
    TellListeners();
  if (ending.session != 0 && session_ended_ != nullptr)
    session_ended_(ending.session, ending.terminal);
}

Task* TaskTable::FindOfLocked(const TaskHost* host, bool is_main) const {
  for (std::uint32_t number = 0; (number = numbers_.Next(number, false)) != 0;) {
    Task* task = numbers_.Find(number).task;
    if (task->host == host && task->is_main == is_main)
      return task;
  }
  return nullptr;
}

bool TaskTable::EndOneOf(const TaskHost* host, bool is_main, ExitKind kind, std::uint32_t code,
                         const Times& times) {
  Ending ending;
  {
    SpinGuard guard(lock_);
    Task* task = FindOfLocked(host, is_main);
    if (task == nullptr)
      return false;
    EndLocked(task, kind, code, times, &ending);
  }
  Tell(ending);
  return true;
}

void TaskTable::EndGuests(TaskHost* host) {
  while (EndOneOf(host, false, ExitKind::kKilled, abi::kSignalKill, {})) {
  }
}

void TaskTable::EndHost(TaskHost* host, ExitKind kind, std::uint32_t code, const Times& times) {
  EndGuests(host);
  (void)EndOneOf(host, true, kind, code, times);
}

Status TaskTable::EndOwn(TaskHost* host, std::uint32_t number, ExitKind kind, std::uint32_t code) {
  Ending ending;
  {
    SpinGuard guard(lock_);
    Task* task = FindLocked(number);
    if (task == nullptr || task->host != host || task->is_main)
      return Status::kNoProcess;
    EndLocked(task, kind, code, {}, &ending);
  }
  Tell(ending);
  return Status::kOk;
}

Status TaskTable::RequireRoom(std::uint32_t caller) {
  SpinGuard guard(lock_);
  const Task* self = FindLocked(caller);
  if (self == nullptr)
    return Status::kNoProcess;
  const std::uint64_t most = self->limits[static_cast<std::uint32_t>(LimitKind::kTasks)].soft;
  if (self->credential.effective_user == 0 || most == ~std::uint64_t{0})
    return Status::kOk;
  std::uint64_t count = 0;
  for (std::uint32_t number = 0; (number = numbers_.Next(number, false)) != 0;)
    count += numbers_.Find(number).task->credential.user == self->credential.user ? 1 : 0;
  return count < most ? Status::kOk : Status::kLimitExceeded;
}

Result<std::uint32_t> TaskTable::NewThread(std::uint32_t caller, std::uint32_t number) {
  SpinGuard guard(lock_);
  Task* task = FindOwnLocked(caller, number);
  if (task == nullptr)
    return Status::kNoProcess;
  const std::uint32_t thread = TRY(numbers_.Take(task, true));
  ++task->threads;
  return thread;
}

Status TaskTable::EndThread(std::uint32_t caller, std::uint32_t thread) {
  SpinGuard guard(lock_);
  const NumberTable::Slot slot = numbers_.Find(thread);
  if (!slot.is_thread || FindOwnLocked(caller, slot.task->number) == nullptr)
    return Status::kNoProcess;
  --slot.task->threads;
  numbers_.Free(thread);
  return Status::kOk;
}

namespace {

bool Matches(const Task& parent, const Task& child, const WaitRequest& request) {
  switch (request.selector) {
    case Selector::kTask:
      return child.number == request.id;
    case Selector::kGroup:
      return child.group == (request.id == 0 ? parent.group : request.id);
    default:
      return true;
  }
}

// What the child has to tell, and forgets when told.
bool Report(Task& child, const WaitRequest& request, WaitResult* found) {
  const bool keep = (request.flags & kWaitKeep) != 0;
  if (child.state == TaskState::kZombie && (request.flags & kWaitExited) != 0) {
    found->kind = child.exit_kind;
    found->code = child.exit_code;
  } else if (child.report_stop && (request.flags & kWaitStopped) != 0) {
    found->kind = ExitKind::kStopped;
    found->code = child.stop_signal;
    child.report_stop = keep;
  } else if (child.report_continue && (request.flags & kWaitContinued) != 0) {
    found->kind = ExitKind::kContinued;
    found->code = abi::kSignalContinue;
    child.report_continue = keep;
  } else {
    return false;
  }
  found->task = child.number;
  found->user = child.credential.user;
  found->user_ns = child.user_ns + child.children_user_ns;
  found->system_ns = child.system_ns + child.children_system_ns;
  found->peak_resident = child.peak_resident;
  return true;
}

}  // namespace

Status TaskTable::Wait(std::uint32_t caller, const WaitRequest& request, const cobj::Ticket& ticket,
                       WaitResult* found) {
  *found = {};
  ChildWaiter* waiter = nullptr;
  if (ticket) {
    waiter = allocator_.Make<ChildWaiter>().ValueOr(nullptr);
    if (waiter != nullptr)
      waiter->ticket = ticket;
  }
  Status status = Status::kOk;
  {
    SpinGuard guard(lock_, kWaiting);
    status = WaitLocked(caller, request, &waiter, found);
  }
  if (waiter != nullptr)
    allocator_.Destroy(waiter);
  return status == Status::kWouldBlock && ticket ? Status::kNoMemory : status;
}

Status TaskTable::WaitLocked(std::uint32_t caller, const WaitRequest& request, ChildWaiter** waiter,
                             WaitResult* found) {
  Task* parent = FindOwnLocked(caller, request.task);
  if (parent == nullptr)
    return Status::kNoProcess;
  if (request.selector == Selector::kThread ||
      (request.flags & (kWaitExited | kWaitStopped | kWaitContinued)) == 0)
    return Status::kInvalidArgument;
  bool any = false;
  for (Task& child : parent->children) {
    if (!Matches(*parent, child, request))
      continue;
    any = true;
    if (!Report(child, request, found))
      continue;
    if (child.state == TaskState::kZombie && (request.flags & kWaitKeep) == 0) {
      parent->children_user_ns += found->user_ns;
      parent->children_system_ns += found->system_ns;
      ReleaseLocked(&child);
    }
    return Status::kOk;
  }
  if (!any)
    return Status::kNoChild;
  if (*waiter == nullptr)
    return Status::kWouldBlock;
  for (ChildWaiter& earlier : parent->waiters) {
    if (SameNumber(earlier.ticket, (*waiter)->ticket)) {
      earlier.ticket = (*waiter)->ticket;
      return Status::kPending;
    }
  }
  if (parent->waiter_count == kMaxWaiters)
    return Status::kLimitExceeded;
  ++parent->waiter_count;
  parent->waiters.PushBack(*waiter);
  *waiter = nullptr;
  return Status::kPending;
}

}  // namespace k42::proc
