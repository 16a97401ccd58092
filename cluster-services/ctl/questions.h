// What more than one command asks of a cluster.
#pragma once

#include <nlohmann/json.hpp>

#include "cluster-services/control/client.h"
#include "cluster-services/ctl/commands.h"
#include "cluster-services/support/outcome.h"

namespace k42::ctl {

// Asks the daemon that answers for `node` (0: any that answers).
Outcome<nlohmann::json> AskCluster(const control::Cluster& cluster, std::uint32_t node,
                                   nlohmann::json request,
                                   control::Milliseconds limit = control::kAnswerLimit);
// A node for each of options.processes, by options.policy over what nodes reported last.
Outcome<std::vector<std::uint32_t>> PlaceProcesses(const control::Cluster& cluster,
                                                   const RunOptions& options);

}  // namespace k42::ctl
