// AnswerWait: a thread waits until other CPUs have answered. While it lasts, the record stands in a
// list of the waiting thread's CPU, so that the watchdog and the debug console can say who lets
// whom wait. Costs the waiter a few stores.
#pragma once

#include <cstdint>

#include "base/cpu_set.h"

namespace k42::machine {

struct AnswerWait {
  const char* what;  // "has not answered a shoot-down": said of the CPU
  // Who has not answered yet; any CPU, at any time.
  CpuSet (*silent)(const AnswerWait& wait);

  AnswerWait* next = nullptr;
  AnswerWait** link = nullptr;  // what points here
  // The watchdog's.
  std::uint64_t seen_ns = 0;
  bool reported = false;
};

}  // namespace k42::machine
