// Start list: streams to other nodes, behind the node's sockets.
#pragma once

#include "global/cluster_view.h"
#include "global/link.h"
#include "io/fabric_network.h"

namespace k42::boot {

// With files and sockets started, before the link. Returns who hears the stream channel.
global::LinkReceiver& StartStreams(global::Link& link, const global::ClusterView& view);

io::FabricNetwork& Streams();

}  // namespace k42::boot
