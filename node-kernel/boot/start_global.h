// Start list: global objects over the link.
#pragma once

#include "global/global_node.h"
#include "global/link_port.h"

namespace k42::boot {

// Makes the call layer of every CPU; returns who hears the call channel. Before the link starts.
Result<global::LinkReceiver*> StartGlobal(global::LinkPort& port);

// Null before StartGlobal.
global::GlobalNode* TheGlobalNode();

}  // namespace k42::boot
