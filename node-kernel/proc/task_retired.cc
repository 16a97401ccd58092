// TaskTable: numbers of tasks that have gone and that may still name a group or session: they are
// not given out again before nobody is in it. A CPU keeps such tasks, and looks when it has more
// than before by as many as it had: so the looks cost each of them a walk's share.
#include <algorithm>
#include <utility>

#include "proc/task_table.h"

namespace k42::proc {

namespace {
constexpr std::uint32_t kLook = 128;  // numbers that one walk over all tasks looks for
}

// Of the first ones of the list, those that name nothing; `named`: the others, added. What is in a
// list is nobody else's; births and changes of groups keep out, or a group could pass from a task
// that was not yet looked at to one that was.
Task* TaskTable::Unnamed(Task* retired, Task** named) {
  std::uint32_t numbers[kLook];
  bool in_use[kLook] = {};
  std::uint32_t count = 0;
  for (const Task* task = retired; task != nullptr; task = task->next_retired)
    numbers[count++] = task->number;
  std::sort(numbers, numbers + count);
  const auto note = [&](std::uint32_t number) {
    const std::uint32_t* found = std::lower_bound(numbers, numbers + count, number);
    if (found != numbers + count && *found == number)
      in_use[found - numbers] = true;
  };
  {
    const Walk walk(*this);
    ForEach([&](const Task& task) {
      note(task.group);
      note(task.session);
    });
  }
  Task* unnamed = nullptr;
  while (Task* task = retired) {
    retired = task->next_retired;
    const std::uint32_t* found = std::lower_bound(numbers, numbers + count, task->number);
    task->next_retired = std::exchange(in_use[found - numbers] ? *named : unnamed, task);
  }
  return unnamed;
}

void TaskTable::Retire(Task& task) {
  numbers_.Withdraw(task.number);
  PerCpu& cpu = cpus_[machine::CurrentCpu()];
  task.next_retired = std::exchange(cpu.retired, &task);
  if (++cpu.retired_count < cpu.retired_most)
    return;
  Task* rest = std::exchange(cpu.retired, nullptr);
  cpu.retired_count = 0;
  Task* named = nullptr;
  std::uint32_t kept = 0;
  while (rest != nullptr) {
    Task* const first = rest;
    Task* last = rest;
    for (std::uint32_t i = 1; i < kLook && last->next_retired != nullptr; ++i)
      last = last->next_retired;
    rest = std::exchange(last->next_retired, nullptr);
    for (Task* each = Unnamed(first, &named); each != nullptr;) {
      Task& gone = *std::exchange(each, each->next_retired);
      numbers_.Free(gone.number);
      FreeMemory(gone);
    }
  }
  // Where this thread is by now.
  PerCpu& here = cpus_[machine::CurrentCpu()];
  while (Task* each = named) {
    named = each->next_retired;
    each->next_retired = std::exchange(here.retired, each);
    ++kept;
  }
  here.retired_count += kept;
  here.retired_most = std::max(kRetiredFirst, 2 * here.retired_count);
}

}  // namespace k42::proc
