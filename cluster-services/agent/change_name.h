// What an operator means by put and delete: whatever stands there now, not what this node's cache
// has seen. Both block, a few seconds at most.
#pragma once

#include "cluster-services/agent/cluster_agent.h"

namespace k42::agent {

Outcome<Done> PutName(ClusterAgent& agent, const std::string& path, const std::string& value);
Outcome<Done> DeleteName(ClusterAgent& agent, const std::string& path);

}  // namespace k42::agent
