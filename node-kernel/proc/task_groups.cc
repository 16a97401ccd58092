// TaskTable: process groups, sessions, and a session's link to its terminal.
#include "proc/task_table.h"

namespace k42::proc {

using machine::SpinGuard;

Task* TaskTable::LeaderLocked(const Task& task) const {
  Task* leader = FindLocked(task.session);
  return leader != nullptr && leader->session == leader->number ? leader : nullptr;
}

Status TaskTable::SetGroup(std::uint32_t caller, std::uint32_t number, std::uint32_t group) {
  SpinGuard guard(lock_);
  const Task* self = FindLocked(caller);
  Task* task = FindLocked(number == 0 ? caller : number);
  if (self == nullptr || task == nullptr || (task != self && task->parent != self))
    return Status::kNoProcess;
  if (group == 0)
    group = task->number;
  if (task->session != self->session || task->session == task->number)
    return Status::kPermissionDenied;
  if (group != task->number) {
    bool exists = false;
    for (std::uint32_t other = 0; (other = numbers_.Next(other, false)) != 0 && !exists;) {
      const Task* member = numbers_.Find(other).task;
      exists = member->group == group && member->session == self->session;
    }
    if (!exists)
      return Status::kPermissionDenied;
  }
  task->group = group;
  return Status::kOk;
}

Result<std::uint32_t> TaskTable::NewSession(std::uint32_t caller) {
  SpinGuard guard(lock_);
  Task* self = FindLocked(caller);
  if (self == nullptr)
    return Status::kNoProcess;
  for (std::uint32_t other = 0; (other = numbers_.Next(other, false)) != 0;) {
    if (numbers_.Find(other).task->group == self->number)
      return Status::kPermissionDenied;
  }
  self->session = self->group = self->number;
  self->terminal = 0;
  self->foreground_group = 0;
  return self->number;
}

Status TaskTable::SetTerminal(std::uint32_t caller, std::uint64_t terminal) {
  SpinGuard guard(lock_);
  Task* self = FindLocked(caller);
  if (self == nullptr || self->session != self->number)
    return Status::kPermissionDenied;
  if (terminal != 0 && self->terminal != 0 && self->terminal != terminal)
    return Status::kPermissionDenied;
  self->terminal = terminal;
  self->foreground_group = terminal != 0 ? self->group : 0;
  return Status::kOk;
}

Status TaskTable::SetForeground(std::uint32_t caller, std::uint32_t group) {
  SpinGuard guard(lock_);
  const Task* self = FindLocked(caller);
  Task* leader = self == nullptr ? nullptr : LeaderLocked(*self);
  if (leader == nullptr || leader->terminal == 0)
    return Status::kNotTerminal;
  for (std::uint32_t other = 0; (other = numbers_.Next(other, false)) != 0;) {
    const Task* member = numbers_.Find(other).task;
    if (member->group == group && member->session == self->session) {
      leader->foreground_group = group;
      return Status::kOk;
    }
  }
  return Status::kPermissionDenied;
}

bool TaskTable::IsOwnTask(const TaskHost& host, std::uint32_t number) {
  SpinGuard guard(lock_);
  const Task* task = FindLocked(number);
  return task != nullptr && task->host == &host;
}

}  // namespace k42::proc
