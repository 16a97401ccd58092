// TaskTable: process groups, sessions, and a session's link to its terminal. Groups and sessions
// change within a walk (task_table.h): nobody is born into one, and no other changes, meanwhile.
#include "proc/task_table.h"

namespace k42::proc {

using machine::SpinGuard;

Task* TaskTable::LeaderOf(const Task& task) const {
  Task* leader = Find(task.session);
  return leader != nullptr && leader->session == leader->number ? leader : nullptr;
}

bool TaskTable::HasMember(std::uint32_t group, std::uint32_t session) const {
  for (std::uint32_t number = 0; (number = numbers_.Next(number, false)) != 0;) {
    const Task* task = Find(number);
    if (task != nullptr && task->group == group && task->session == session)
      return true;
  }
  return false;
}

Status TaskTable::SetGroup(std::uint32_t caller, std::uint32_t number, std::uint32_t group) {
  const Walk walk(*this);
  const Task* self = Find(caller);
  Task* task = Find(number == 0 ? caller : number);
  if (self == nullptr || task == nullptr || (task != self && task->parent != self))
    return Status::kNoProcess;
  if (group == 0)
    group = task->number;
  if (task->session != self->session || task->session == task->number)
    return Status::kPermissionDenied;
  if (group != task->number && !HasMember(group, self->session))
    return Status::kPermissionDenied;
  task->group.store(group);
  if (group == task->number)
    task->has_led.store(true, std::memory_order_relaxed);
  return Status::kOk;
}

Result<std::uint32_t> TaskTable::NewSession(std::uint32_t caller) {
  const Walk walk(*this);
  Task* self = Find(caller);
  if (self == nullptr)
    return Status::kNoProcess;
  bool exists = false;
  ForEach([&](const Task& task) { exists |= task.group == caller; });
  if (exists)
    return Status::kPermissionDenied;
  self->has_led.store(true, std::memory_order_relaxed);
  self->session.store(caller);
  self->group.store(caller);
  SpinGuard guard(self->lock);
  self->terminal = 0;
  self->foreground_group = 0;
  return caller;
}

Status TaskTable::SetTerminal(std::uint32_t caller, std::uint64_t terminal) {
  Task* self = Find(caller);
  if (self == nullptr || self->session != self->number)
    return Status::kPermissionDenied;
  SpinGuard guard(self->lock);
  if (terminal != 0 && self->terminal != 0 && self->terminal != terminal)
    return Status::kPermissionDenied;
  self->terminal = terminal;
  self->foreground_group = terminal != 0 ? self->group.load() : 0;
  return Status::kOk;
}

Status TaskTable::SetForeground(std::uint32_t caller, std::uint32_t group) {
  const Task* self = Find(caller);
  Task* leader = self == nullptr ? nullptr : LeaderOf(*self);
  const bool exists = leader != nullptr && HasMember(group, self->session);
  if (leader == nullptr)
    return Status::kNotTerminal;
  SpinGuard guard(leader->lock);
  if (leader->terminal == 0)
    return Status::kNotTerminal;
  if (!exists)
    return Status::kPermissionDenied;
  leader->foreground_group = group;
  return Status::kOk;
}

bool TaskTable::IsOwnTask(const TaskHost& host, std::uint32_t number) const {
  const Task* task = Find(number);
  return task != nullptr && HostOf(*task) == &host;
}

}  // namespace k42::proc
