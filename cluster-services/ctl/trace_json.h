// A trace in the JSON that Perfetto and Chrome show: a track for each CPU of each node, and three
// for each process (when it ran, what it asked the kernel, what it recorded itself).
#pragma once

#include <ostream>

#include "cluster-services/ctl/trace_gather.h"

namespace k42::ctl {

// `records` in order of time, on the hosts' clock; `nodes` describe their buffers.
void WriteTraceJson(const std::vector<NodeTrace>& nodes, const std::vector<TraceRecord>& records,
                    std::ostream& out);

}  // namespace k42::ctl
