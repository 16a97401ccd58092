// A CPU's trace buffer is a word of its area, so that finding it is one load. What it points to is
// the tracer's business.
#pragma once

#include <cstddef>

#include "machine/cpu_area.h"

namespace k42::machine {

inline void* TraceBuffer() {
  void* buffer;
  asm("movq %%gs:%c1, %0" : "=r"(buffer) : "i"(offsetof(CpuArea, trace_buffer)));
  return buffer;
}

// Of the boot CPU, or of one that has not been started.
void SetTraceBuffer(CpuId cpu, void* buffer);

}  // namespace k42::machine
