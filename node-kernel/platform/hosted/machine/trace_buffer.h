// A virtual CPU's trace buffer.
#pragma once

#include "platform/contract/types.h"

namespace k42::machine {

void* TraceBuffer();
void SetTraceBuffer(CpuId cpu, void* buffer);

}  // namespace k42::machine
