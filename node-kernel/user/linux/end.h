// Ends of threads and tasks.
#pragma once

#include <cstdint>

#include "user/linux/task.h"
#include "user/linux/thread.h"

namespace k42::personality {

// Marks the task as ending with that status (Linux's wait form) and interrupts all its threads.
// The first caller's status counts.
void EndTask(Task& task, std::uint32_t wait_status);

// The calling thread is over: its task's exit if it was the last. Never returns.
[[noreturn]] void EndThread(Thread& thread);

// Ends every other thread of the task and waits until they are gone (exec).
void EndOtherThreads(Thread& thread);

// Whoever waits for this task in vfork goes on.
void ReleaseVforkParent(Task& task);

}  // namespace k42::personality
