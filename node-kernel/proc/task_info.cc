// TaskTable: what is known of tasks, and credentials.
#include "proc/credential.h"
#include "proc/task_table.h"

namespace k42::proc {

using machine::SpinGuard;

Status TaskTable::GetInfo(std::uint32_t caller, std::uint32_t number, TaskInfo* info) {
  const Task* task = Find(number == 0 ? caller : number);
  if (task == nullptr)
    return Status::kNoProcess;
  *info = {};
  const Task* parent = task->parent;
  info->task = task->number;
  info->parent = parent != nullptr ? parent->number : 0;
  info->group = task->group;
  info->session = task->session;
  info->start_ns = task->start_ns;
  info->children_user_ns = task->children_user_ns;
  info->children_system_ns = task->children_system_ns;
  if (const Task* leader = LeaderOf(*task)) {
    SpinGuard guard(leader->lock);
    info->foreground_group = leader->foreground_group;
    info->terminal = leader->terminal;
  }
  SpinGuard guard(task->lock);
  info->state = task->state;
  info->threads = task->threads;
  info->user = task->credential.user;
  info->effective_user = task->credential.effective_user;
  info->group_id = task->credential.group;
  info->effective_group = task->credential.effective_group;
  info->exit_signal = task->exit_signal;
  info->user_ns = task->user_ns;
  info->system_ns = task->system_ns;
  info->signals_pending = task->signals.pending();
  info->priority = task->nice;
  return Status::kOk;
}

Status TaskTable::GetText(std::uint32_t caller, std::uint32_t number, TaskText which,
                          HeldText* text) {
  return Visit(caller, number, [&](Task& task) {
    text->Take(task.texts.Of(which));
    return Status::kOk;
  });
}

std::uint32_t TaskTable::List(std::uint32_t after, bool threads_of, std::uint32_t task,
                              std::span<std::uint32_t> numbers) {
  std::uint32_t count = 0;
  if (threads_of && Find(task) != nullptr && task > after && count < numbers.size())
    numbers[count++] = task;
  for (std::uint32_t number = after;
       count < numbers.size() && (number = numbers_.Next(number, threads_of)) != 0;) {
    const Task* found = threads_of ? numbers_.Find(number).task : nullptr;
    if (!threads_of || (found != nullptr && found->number == task))
      numbers[count++] = number;
  }
  return count;
}

Status TaskTable::GetCredential(std::uint32_t caller, std::uint32_t number,
                                Credential* credential) {
  return Visit(caller, number, [credential](const Task& task) {
    *credential = task.credential;
    return Status::kOk;
  });
}

Status TaskTable::SetCredential(std::uint32_t caller, std::uint32_t number, bool groups,
                                const Credential& wanted) {
  const TaskHost* host = nullptr;
  Task* task = FindOwn(caller, number, &host);
  if (task == nullptr)
    return Status::kNoProcess;
  Credential next = wanted;
  SpinGuard guard(task->lock, kRecordHold);
  if (task->host != host)
    return Status::kNoProcess;
  if (!MayBecome(task->credential, wanted, groups))
    return Status::kPermissionDenied;
  if (!groups) {
    next.group_count = task->credential.group_count;
    for (std::uint32_t i = 0; i < kGroupsMax; ++i) next.groups[i] = task->credential.groups[i];
  }
  task->credential = next;
  task->host->IdentityChanged(*task);
  return Status::kOk;
}

Status TaskTable::RequireControl(std::uint32_t caller, std::uint32_t number) {
  const Task* self = Find(caller);
  const Task* task = number == 0 ? self : Find(number);
  if (self == nullptr || task == nullptr)
    return Status::kNoProcess;
  if (self == task)
    return Status::kOk;
  Credential mine;
  const TaskHost* host = nullptr;
  {
    SpinGuard guard(self->lock, kRecordHold);
    mine = self->credential;
    host = self->host;
  }
  SpinGuard guard(task->lock);
  const bool is_own = host != nullptr && host == task->host;
  return is_own || MayControl(mine, task->credential) ? Status::kOk : Status::kPermissionDenied;
}

}  // namespace k42::proc
