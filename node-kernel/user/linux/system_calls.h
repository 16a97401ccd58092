// The table of Linux calls by number (x86-64).
#pragma once

#include <cstdint>

#include "user/linux/thread.h"

namespace k42::personality {

// Serves the call in the thread's registers: what goes into RAX. A number nobody serves answers
// -ENOSYS and is logged once.
std::int64_t ServeSystemCall(Thread& thread);

}  // namespace k42::personality
