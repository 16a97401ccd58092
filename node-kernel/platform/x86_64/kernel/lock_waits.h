// Who halts for which spin lock (spin_lock.cc), for those who look from outside.
#pragma once

#include "platform/contract/types.h"

namespace k42::machine::detail {

// The lock that `cpu` halts for, or null. It may have got it by now.
const void* LockWaitedFor(CpuId cpu);

}  // namespace k42::machine::detail
