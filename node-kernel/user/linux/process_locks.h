// Record locks of the process (POSIX): the first descriptor of a file that it closes takes all its
// locks of that file along, whichever opening they were made through.
#pragma once

#include <cstdint>

#include "user/linux/task.h"

namespace k42::personality {

// It has, or may have, some. Not in a forked child; exec passes it on.
bool HasProcessLocks();
void SetProcessLocks(bool has);
// Descriptor `fd` of the task is about to be closed, or to become another's.
void DropLocksWith(Task& task, std::uint32_t fd);

}  // namespace k42::personality
