// TaskTable: what is known of tasks, and credentials.
#include "proc/credential.h"
#include "proc/task_table.h"

namespace k42::proc {

using machine::SpinGuard;

Status TaskTable::GetInfo(std::uint32_t caller, std::uint32_t number, TaskInfo* info) {
  SpinGuard guard(lock_);
  const Task* task = FindLocked(number == 0 ? caller : number);
  if (task == nullptr)
    return Status::kNoProcess;
  *info = {};
  info->task = task->number;
  info->parent = task->parent != nullptr ? task->parent->number : 0;
  info->group = task->group;
  info->session = task->session;
  info->state = task->state;
  info->threads = task->threads;
  info->user = task->credential.user;
  info->effective_user = task->credential.effective_user;
  info->group_id = task->credential.group;
  info->effective_group = task->credential.effective_group;
  info->exit_signal = task->exit_signal;
  if (const Task* leader = LeaderLocked(*task)) {
    info->foreground_group = leader->foreground_group;
    info->terminal = leader->terminal;
  }
  info->start_ns = task->start_ns;
  info->user_ns = task->user_ns;
  info->system_ns = task->system_ns;
  info->children_user_ns = task->children_user_ns;
  info->children_system_ns = task->children_system_ns;
  info->signals_pending = task->signals.pending();
  info->priority = task->nice;
  return Status::kOk;
}

std::uint32_t TaskTable::List(std::uint32_t after, bool threads_of, std::uint32_t task,
                              std::span<std::uint32_t> numbers) {
  SpinGuard guard(lock_);
  std::uint32_t count = 0;
  if (threads_of && FindLocked(task) != nullptr && task > after && count < numbers.size())
    numbers[count++] = task;
  for (std::uint32_t number = after;
       count < numbers.size() && (number = numbers_.Next(number, threads_of)) != 0;) {
    if (!threads_of || numbers_.Find(number).task->number == task)
      numbers[count++] = number;
  }
  return count;
}

Status TaskTable::GetCredential(std::uint32_t caller, std::uint32_t number,
                                Credential* credential) {
  SpinGuard guard(lock_);
  const Task* task = FindLocked(number == 0 ? caller : number);
  if (task == nullptr)
    return Status::kNoProcess;
  *credential = task->credential;
  return Status::kOk;
}

Status TaskTable::SetCredential(std::uint32_t caller, std::uint32_t number, bool groups,
                                const Credential& wanted) {
  SpinGuard guard(lock_);
  Task* task = FindOwnLocked(caller, number);
  if (task == nullptr)
    return Status::kNoProcess;
  if (!MayBecome(task->credential, wanted, groups))
    return Status::kPermissionDenied;
  const Credential old = task->credential;
  task->credential = wanted;
  if (!groups) {
    task->credential.group_count = old.group_count;
    for (std::uint32_t i = 0; i < kGroupsMax; ++i) task->credential.groups[i] = old.groups[i];
  }
  task->host->IdentityChanged(*task);
  return Status::kOk;
}

Status TaskTable::RequireControl(std::uint32_t caller, std::uint32_t number) {
  SpinGuard guard(lock_);
  const Task* self = FindLocked(caller);
  const Task* task = FindLocked(number == 0 ? caller : number);
  if (self == nullptr || task == nullptr)
    return Status::kNoProcess;
  return self->host == task->host || MayControl(self->credential, task->credential)
             ? Status::kOk
             : Status::kPermissionDenied;
}

}  // namespace k42::proc
