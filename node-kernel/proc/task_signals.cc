// TaskTable: signals, stopping and continuing.
#include "base/assert.h"
#include "proc/credential.h"
#include "proc/task_table.h"

namespace k42::proc {

using machine::SpinGuard;

namespace {

constexpr std::uint64_t kStopSignals =
    abi::SignalBit(abi::kSignalStop) | abi::SignalBit(abi::kSignalTerminalStop) |
    abi::SignalBit(abi::kSignalTerminalInput) | abi::SignalBit(abi::kSignalTerminalOutput);

}  // namespace

template <typename F>
void TaskTable::ForEachLocked(F visit) const {
  for (std::uint32_t number = 0; (number = numbers_.Next(number, false)) != 0;)
    visit(*numbers_.Find(number).task);
}

void TaskTable::StopLocked(Task& task, std::uint32_t signal, Fired* fired) {
  if (task.state != TaskState::kRunning || task.host == nullptr)
    return;
  task.state = TaskState::kStoppedState;
  task.stop_signal = signal;
  task.report_stop = true;
  task.report_continue = false;
  task.host->StopRunning();
  TellParentLocked(task, ExitKind::kStopped, signal, fired);
}

void TaskTable::PostLocked(Task& task, const SignalInfo& info, Fired* fired) {
  if (task.state == TaskState::kZombie || task.host == nullptr)
    return;
  const std::uint64_t bit = abi::SignalBit(info.signal);
  if (info.signal == abi::kSignalKill && task.is_main) {
    task.host->EndRunning(ExitKind::kKilled, abi::kSignalKill);
    return;
  }
  if (info.signal == abi::kSignalStop) {
    task.signals.Drop(abi::SignalBit(abi::kSignalContinue));
    StopLocked(task, abi::kSignalStop, fired);
    return;
  }
  if (info.signal == abi::kSignalContinue) {
    task.signals.Drop(kStopSignals);
    if (task.state == TaskState::kStoppedState) {
      task.state = TaskState::kRunning;
      task.report_stop = false;
      task.report_continue = true;
      task.host->ContinueRunning();
      TellParentLocked(task, ExitKind::kContinued, abi::kSignalContinue, fired);
    }
  } else if ((bit & kStopSignals) != 0) {
    task.signals.Drop(abi::SignalBit(abi::kSignalContinue));
  }
  (void)task.signals.Add(info);
  task.host->SignalsChanged(task);
}

Result<std::uint32_t> TaskTable::Kill(std::uint32_t caller, const SignalRequest& request) {
  if (request.info.signal > abi::kSignalMax)
    return Status::kInvalidArgument;
  Fired fired;
  std::uint32_t reached = 0, refused = 0;
  {
    SpinGuard guard(lock_);
    const Task* self = FindLocked(caller);
    if (self == nullptr)
      return Status::kNoProcess;
    SignalInfo info = request.info;
    info.sender = self->number;
    info.sender_user = self->credential.user;
    info.thread = request.thread;
    const auto send = [&](Task& task) K42_NO_THREAD_SAFETY_ANALYSIS {  // the lock is held
      const bool may = MaySignal(self->credential, task.credential) ||
                       (info.signal == abi::kSignalContinue && self->session == task.session);
      if (!may) {
        ++refused;
        return;
      }
      ++reached;
      if (info.signal != 0)
        PostLocked(task, info, &fired);
    };
    const std::uint32_t own = self->number;
    switch (request.selector) {
      case Selector::kTask:
        if (Task* task = FindLocked(request.id == 0 ? own : request.id))
          send(*task);
        break;
      case Selector::kThread: {
        const NumberTable::Slot slot = numbers_.Find(request.id);
        if (slot.task != nullptr) {
          info.thread = request.id;
          send(*slot.task);
        }
        break;
      }
      case Selector::kGroup: {
        const std::uint32_t group = request.id == 0 ? self->group : request.id;
        ForEachLocked([&](Task& task) {
          if (task.group == group)
            send(task);
        });
        break;
      }
      case Selector::kAll:
        ForEachLocked([&](Task& task) {
          if (!task.heads_family && task.number != own)
            send(task);
        });
        break;
    }
  }
  Fire(fired);
  if (reached == 0)
    return refused != 0 ? Status::kPermissionDenied : Status::kNoProcess;
  return reached;
}

void TaskTable::KillGroup(std::uint32_t group, const SignalInfo& info) {
  Fired fired;
  {
    SpinGuard guard(lock_);
    ForEachLocked([&](Task& task) K42_NO_THREAD_SAFETY_ANALYSIS {  // the lock is held
      if (task.group == group)
        PostLocked(task, info, &fired);
    });
  }
  Fire(fired);
}

void TaskTable::KillTask(std::uint32_t number, const SignalInfo& info) {
  Fired fired;
  {
    SpinGuard guard(lock_);
    if (Task* task = FindLocked(number))
      PostLocked(*task, info, &fired);
  }
  Fire(fired);
}

Status TaskTable::Take(std::uint32_t caller, std::uint32_t number, std::uint64_t allowed,
                       SignalInfo* info) {
  SpinGuard guard(lock_);
  Task* task = FindOwnLocked(caller, number);
  if (task == nullptr)
    return Status::kNoProcess;
  if (!task->signals.Take(allowed, info))
    return Status::kNotFound;
  task->host->SignalsChanged(*task);
  return Status::kOk;
}

Result<std::uint64_t> TaskTable::Pending(std::uint32_t caller, std::uint32_t number) {
  SpinGuard guard(lock_);
  const Task* task = FindOwnLocked(caller, number);
  if (task == nullptr)
    return Status::kNoProcess;
  return task->signals.pending();
}

Status TaskTable::Stop(std::uint32_t caller, std::uint32_t number, std::uint32_t signal) {
  if (signal == 0 || signal > abi::kSignalMax || (abi::SignalBit(signal) & kStopSignals) == 0)
    return Status::kInvalidArgument;
  Fired fired;
  {
    SpinGuard guard(lock_);
    Task* task = FindOwnLocked(caller, number);
    if (task == nullptr)
      return Status::kNoProcess;
    // What a terminal's keys stop somebody must be able to continue.
    if (signal == abi::kSignalStop || !IsOrphanedLocked(task->group))
      StopLocked(*task, signal, &fired);
  }
  Fire(fired);
  return Status::kOk;
}

// -- orphaned groups: here because they end in signals ------------------------------------------

// A group is orphaned if no member has a parent outside the group but inside the session.
bool TaskTable::IsOrphanedLocked(std::uint32_t group) const {
  bool orphaned = true;
  ForEachLocked([&](const Task& task) {
    if (task.group == group && task.state != TaskState::kZombie && task.parent != nullptr &&
        task.parent->group != group && task.parent->session == task.session)
      orphaned = false;
  });
  return orphaned;
}

bool TaskTable::IsOrphaned(std::uint32_t group) {
  SpinGuard guard(lock_);
  return IsOrphanedLocked(group);
}

void TaskTable::WakeOrphanedGroupLocked(std::uint32_t group, Fired* fired) {
  bool stopped = false;
  ForEachLocked([&](const Task& task) {
    stopped |= task.group == group && task.state == TaskState::kStoppedState;
  });
  if (!stopped)
    return;
  ForEachLocked([&](Task& task) K42_NO_THREAD_SAFETY_ANALYSIS {  // the lock is held
    if (task.group != group)
      return;
    for (const std::uint32_t signal : {abi::kSignalHangup, abi::kSignalContinue}) {
      SignalInfo info = {};
      info.signal = signal;
      PostLocked(task, info, fired);
    }
  });
}

}  // namespace k42::proc
