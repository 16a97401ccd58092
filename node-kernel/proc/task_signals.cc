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
  task.host->TaskStops();
  return {ExitKind::kStopped, signal, ++task.turn, task.credential.user};
}

TaskChange TaskTable::PostLocked(Task& task, const SignalInfo& info) {
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
      task.host->TaskGoesOn();
      change = {ExitKind::kContinued, abi::kSignalContinue, ++task.turn, task.credential.user};
    }
  } else if ((bit & kStopSignals) != 0) {
    task.signals.Drop(abi::SignalBit(abi::kSignalContinue));
  }
  (void)task.signals.Add(info);
  task.host->SignalsChanged(task);
  return change;
}

TaskTable::Sent TaskTable::Send(const Sender& sender, Task& task, const SignalInfo& info,
                                Fired* fired) {
  TaskChange change;
  {
    SpinGuard guard(task.lock, kSignalHold);
    if (!sender.is_kernel && !MaySignal(sender.credential, task.credential) &&
        !(info.signal == abi::kSignalContinue && sender.session == task.session))
      return Sent::kRefused;
    if (info.signal != 0)
      change = PostLocked(task, info);
  }
  TellParent(task, change, fired);
  return Sent::kReached;
}

std::uint32_t TaskTable::SendAll(const Sender& sender, const SignalInfo& info,
                                 FunctionRef<bool(const Task&)> concerns, std::uint32_t* refused) {
  Fired fired;
  std::uint32_t reached = 0;
  {
    const Walk walk(*this);
    ForEach([&](Task& task) {
      if (concerns(task))
        ++(Send(sender, task, info, &fired) == Sent::kReached ? reached : *refused);
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
    ++(Send(sender, *task, info, &fired) == Sent::kReached ? reached : refused);
    Fire(fired);
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
    (void)Send({}, *task, info, &fired);
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
    change = StopLocked(*task, signal);
  }
  Fired fired;
  TellParent(*task, change, &fired);
  Fire(fired);
  return Status::kOk;
}

}  // namespace k42::proc
