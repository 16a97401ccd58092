// UserBuffer: the trace buffer of one dispatcher of a process, which its program writes to. The
// kernel maps it and never reads it; the host reads it as it reads a CPU's (abi/trace_reader.h).
#pragma once

#include "abi/trace_area.h"
#include "abi/trace_buffer.h"
#include "machine/local_atomic.h"

namespace k42::trace {

using UserBuffer = EventBuffer<machine::LocalAtomic, kUserBlockBytes, kTraceBlocks>;
static_assert(sizeof(UserBuffer) == kTraceHeadBytes + kUserBlockBytes * kTraceBlocks);

}  // namespace k42::trace
