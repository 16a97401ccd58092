// The node's clustered objects.
#pragma once

namespace k42::boot {

// After all CPUs have started; before anything makes or calls an object.
void StartObjects();

}  // namespace k42::boot
