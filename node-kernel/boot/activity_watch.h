// Finds threads that wait outside BlockExternal. Debug kernels.
#pragma once

namespace k42::boot {

// From now on, on every CPU. After StartObjects.
void WatchActivity();

}  // namespace k42::boot
