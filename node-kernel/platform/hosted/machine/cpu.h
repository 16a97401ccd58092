// Which virtual CPU this host thread runs on, and how many there are.
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

#include "platform/contract/types.h"

namespace k42::machine {

// Aborts on a host thread without virtual CPU (machine/hosted.h gives it one).
CpuId CurrentCpu();
CpuId CpuCount();

inline void Pause() {
  std::this_thread::yield();
}

inline std::uint64_t CycleCount() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

}  // namespace k42::machine
