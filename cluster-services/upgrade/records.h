// The JSON of the upgrade's records in the store, and their keys.
#pragma once

#include <string>

#include "cluster-services/support/outcome.h"
#include "cluster-services/upgrade/rollout.h"

namespace k42::upgrade {

std::string CommittedKey(const std::string& cluster);
std::string RolloutKey(const std::string& cluster);
std::string ActualPrefix(const std::string& cluster);
std::string ActualKey(const std::string& cluster, NodeId node);
// Outside the cluster's root, which every daemon watches as a whole: files do not travel by watch.
std::string ModuleKey(const std::string& cluster, const std::string& digest);
// Of everything but the modules.
std::string UpgradePrefix(const std::string& cluster);

std::string Encode(const Committed& committed);
std::string Encode(const Rollout& rollout);
std::string Encode(const Actual& actual);
// kCorrupt names what is missing or of the wrong kind.
Outcome<Committed> DecodeCommitted(const std::string& text);
Outcome<Rollout> DecodeRollout(const std::string& text);
Outcome<Actual> DecodeActual(const std::string& text);

const char* PhaseName(Phase phase);

}  // namespace k42::upgrade
