// Futexes. Private words: queues in the personality. Words in memory that other processes map too:
// the kernel's shared words (futex.cc decides by the call's PRIVATE flag).
#pragma once

#include <cstdint>

#include "user/linux/thread.h"

namespace k42::personality {

// Wakes up to `count` waiters of either kind.
void WakeFutex(std::uint64_t address, std::uint32_t count);

// Whether it holds robust locks, or is about to take one.
bool HasRobustFutexes(const Thread& thread);

// The thread ends: marks the locks it holds as left behind, and wakes one waiter of each.
void LeaveRobustFutexes(Thread& thread);

// In a forked child: the other threads' waits are gone.
void ForgetFutexWaiters();

}  // namespace k42::personality
