// Load reports in the store: encoding, and when one is worth writing.
#pragma once

#include <optional>
#include <string>

#include "cluster-services/agent/cluster_agent.h"

namespace k42::agent {

std::string LoadKey(const std::string& cluster, view::NodeId node);
std::string Encode(const LoadReport& load);
std::optional<LoadReport> DecodeLoad(const std::string& text);
// The node whose load stands under `key`, or 0.
view::NodeId NodeOfLoadKey(const std::string& cluster, const std::string& key);

// A tenth of a CPU, a twentieth of the memory, or draining: placement would decide otherwise.
bool Differs(const LoadReport& a, const LoadReport& b);

}  // namespace k42::agent
