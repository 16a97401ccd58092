// Start list: streams to hosts outside the cluster, by k42-offload, behind the node's sockets.
#pragma once

#include "global/link_control.h"

namespace k42::boot {

// With files and sockets started, before the link. A node without does not reach outside.
void StartOutside(global::LinkControl& control);

}  // namespace k42::boot
