// Descriptors that stand for a task (pidfd): a kernel object that is readable once the task has
// ended, and knows its number as long as it has one.
#pragma once

#include "user/linux/call_support.h"

namespace k42::personality {

// A new descriptor for that task, closed by exec; or an error number. `flags`: O_NONBLOCK.
std::int64_t AddTaskDescriptor(Thread& thread, std::uint32_t number, std::uint32_t flags);

// What the descriptor stands for. -EBADF: no task; -ESRCH: one whose number nobody has any more.
std::int64_t TaskOfDescriptor(Thread& thread, std::uint32_t fd);

}  // namespace k42::personality
