// Which CPU this is, how many there are, and the instructions every layer may want.
#pragma once

#include <cstdint>

#include "cycles.h"
#include "machine/cpu_area.h"
#include "platform/contract/types.h"

namespace k42::machine {

inline CpuId CurrentCpu() {
  CpuId id;
  asm("movl %%gs:%c1, %0" : "=r"(id) : "i"(offsetof(CpuArea, id)));
  return id;
}

// Number of CPUs started. Constant once the start list has passed its SMP step.
CpuId CpuCount();

inline void Pause() {
  asm volatile("pause" ::: "memory");
}

}  // namespace k42::machine
