// TaskTable: signals, stopping and continuing.
#include "proc/credential.h"
#include "proc/task_table.h"

namespace k42::proc {

using machine::SpinGuard;

namespace {

constexpr std::uint64_t kStopSignals =
    abi::SignalBit(abi::kSignalStop) | abi::SignalBit(abi::kSignalTerminalStop) |
    abi::SignalBit(abi::kSignalTerminalInput) | abi::SignalBit(abi::kSignalTerminalOutput);

}  // namespace

TaskChange TaskTable::StopLocked(Task& task, std::uint32_t signal) {
  if (task.state.load(std::memory_order_relaxed) != TaskState::kRunning || task.host == nullptr)
    return {};
  task.state.store(TaskState::kStoppedState, std::memory_order_relaxed);
  task.host->StopRunning();
  return {ExitKind::kStopped, signal, ++task.turn, task.credential.user};
}

TaskChange TaskTable::PostLocked(Task& task, const SignalInfo& info, bool* has_room) {
  if (task.host == nullptr)
    return {};
  const std::uint64_t bit = abi::SignalBit(info.signal);
  if (info.signal == abi::kSignalKill && task.is_main) {
    task.host->EndRunning(ExitKind::kKilled, abi::kSignalKill);
    return {};
  }
  if (info.signal == abi::kSignalStop) {
    task.signals.Drop(abi::SignalBit(abi::kSignalContinue));
    return StopLocked(task, abi::kSignalStop);
  }
  TaskChange change;
  if (info.signal == abi::kSignalContinue) {
    task.signals.Drop(kStopSignals);
    if (task.state.load(std::memory_order_relaxed) == TaskState::kStoppedState) {
      task.state.store(TaskState::kRunning, std::memory_order_relaxed);
      task.host->ContinueRunning();
      change = {ExitKind::kContinued, abi::kSignalContinue, ++task.turn, task.credential.user};
    }
  } else if ((bit & kStopSignals) != 0) {
    task.signals.Drop(abi::SignalBit(abi::kSignalContinue));
  }
  const bool added = task.signals.Add(info);
  if (has_room != nullptr)
    *has_room = added;
  task.host->SignalsChanged(task);
  return change;
}

TaskTable::Sent TaskTable::Send(const Sender& sender, Task& task, const SignalInfo& info,
                                bool to_many, Fired* fired) {
  TaskChange change;
  bool has_room = true;
  {
    SpinGuard guard(task.lock, kSignalHold);
    if (!sender.is_kernel && !MaySignal(sender.credential, task.credential) &&
        !(info.signal == abi::kSignalContinue && sender.session == task.session))
      return Sent::kRefused;
    if (info.signal != 0)
      change = PostLocked(task, info, &has_room);
    task.was_met |= to_many;
  }
  TellParent(task, change, fired);
  // As on Linux: one that says no more than its number is there already.
  return has_room || info.code == 0 ? Sent::kReached : Sent::kNoRoom;
}

std::uint32_t TaskTable::SendAll(const Sender& sender, const SignalInfo& info,
                                 FunctionRef<bool(const Task&)> concerns, std::uint32_t* refused) {
  Fired fired;
  std::uint32_t reached = 0;
  {
    const Walk walk(*this);
    ForEach([&](Task& task) {
      if (concerns(task))
        ++(Send(sender, task, info, true, &fired) == Sent::kRefused ? *refused : reached);
    });
  }
  Fire(fired);
  return reached;
}

Result<std::uint32_t> TaskTable::Kill(std::uint32_t caller, const SignalRequest& request) {
  if (request.info.signal > abi::kSignalMax)
    return Status::kInvalidArgument;
  const Task* self = Find(caller);
  if (self == nullptr)
    return Status::kNoProcess;
  Sender sender;
  sender.is_kernel = false;
  sender.session = self->session;
  {
    SpinGuard guard(self->lock);
    sender.credential.user = self->credential.user;
    sender.credential.effective_user = self->credential.effective_user;
  }
  SignalInfo info = request.info;
  info.sender = caller;
  info.sender_user = sender.credential.user;
  info.thread = request.thread;
  std::uint32_t reached = 0, refused = 0;
  Task* task = nullptr;
  switch (request.selector) {
    case Selector::kTask:
      task = Find(request.id == 0 ? caller : request.id);
      break;
    case Selector::kThread:
      task = numbers_.Find(request.id).task;
      info.thread = request.id;
      break;
    case Selector::kGroup: {
      const std::uint32_t group = request.id == 0 ? self->group.load() : request.id;
      reached = SendAll(
          sender, info, [group](const Task& other) { return other.group == group; }, &refused);
      break;
    }
    case Selector::kAll:
      reached = SendAll(
          sender, info,
          [caller](const Task& other) { return !other.heads_family && other.number != caller; },
          &refused);
      break;
  }
  if (task != nullptr) {
    Fired fired;
    const Sent sent = Send(sender, *task, info, false, &fired);
    Fire(fired);
    if (sent == Sent::kNoRoom)
      return Status::kLimitExceeded;
    ++(sent == Sent::kReached ? reached : refused);
  }
  if (reached == 0)
    return refused != 0 ? Status::kPermissionDenied : Status::kNoProcess;
  return reached;
}

void TaskTable::KillGroup(std::uint32_t group, const SignalInfo& info) {
  std::uint32_t refused = 0;
  (void)SendAll(
      {}, info, [group](const Task& task) { return task.group == group; }, &refused);
}

void TaskTable::KillTask(std::uint32_t number, const SignalInfo& info) {
  Fired fired;
  if (Task* task = Find(number))
    (void)Send({}, *task, info, false, &fired);
  Fire(fired);
}

Status TaskTable::Take(std::uint32_t caller, std::uint32_t number, std::uint64_t allowed,
                       SignalInfo* info) {
  const TaskHost* host = nullptr;
  Task* task = FindOwn(caller, number, &host);
  if (task == nullptr)
    return Status::kNoProcess;
  SpinGuard guard(task->lock, kSignalHold);
  if (task->host != host)
    return Status::kNoProcess;
  if (!task->signals.Take(allowed, info))
    return Status::kNotFound;
  task->host->SignalsChanged(*task);
  return Status::kOk;
}

Result<std::uint64_t> TaskTable::Pending(std::uint32_t caller, std::uint32_t number) {
  const TaskHost* host = nullptr;
  const Task* task = FindOwn(caller, number, &host);
  if (task == nullptr)
    return Status::kNoProcess;
  SpinGuard guard(task->lock);
  if (task->host != host)
    return Status::kNoProcess;
  return task->signals.pending();
}

Status TaskTable::Stop(std::uint32_t caller, std::uint32_t number, std::uint32_t signal) {
  if (signal == 0 || signal > abi::kSignalMax || (abi::SignalBit(signal) & kStopSignals) == 0)
    return Status::kInvalidArgument;
  const TaskHost* host = nullptr;
  Task* task = FindOwn(caller, number, &host);
  if (task == nullptr)
    return Status::kNoProcess;
  // What a terminal's keys stop somebody must be able to continue.
  if (signal != abi::kSignalStop && IsOrphaned(task->group))
    return Status::kOk;
  TaskChange change;
  {
    SpinGuard guard(task->lock, kSignalHold);
    if (task->host != host)
      return Status::kNoProcess;
    // One that is pending has come after the stop signal, which would have dropped it.
    if ((task->signals.pending() & abi::SignalBit(abi::kSignalContinue)) != 0)
      return Status::kOk;
    change = StopLocked(*task, signal);
  }
  Fired fired;
  TellParent(*task, change, &fired);
  Fire(fired);
  return Status::kOk;
}

}  // namespace k42::proc
