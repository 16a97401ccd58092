// Waiting by the clock, for kernel threads.
#pragma once

#include <cstdint>

#include "machine/clock.h"
#include "machine/thread.h"
#include "machine/timer.h"

namespace k42::global {

// Waits that long (BlockExternal): no pointer to a rep survives it.
inline void Pause(std::uint64_t ns) {
  const std::uint64_t until = machine::MonotonicNs() + ns;
  machine::Timer timer;
  timer.Arm(
      until, [](void* thread) { static_cast<machine::Thread*>(thread)->Unblock(); },
      machine::Thread::Current());
  while (machine::MonotonicNs() < until) machine::Thread::BlockExternal();
}

}  // namespace k42::global
