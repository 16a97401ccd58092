// k42ctl upgrade: modules pushed, rollouts begun, watched, called off. The daemons carry them out;
// nothing is lost when this tool ends in between.
#pragma once

#include <cstdint>
#include <string>

#include "cluster-services/control/places.h"

namespace CLI {
class App;
}

namespace k42::ctl {

struct UpgradeOptions {
  std::string action;      // push, start, status, abort, why-stuck
  std::string module;      // a signed file; of start, also a digest
  std::string class_name;  // of start
  bool back = false;       // of start: to the version before, instead of a module
  std::string waves;       // n1/n2,n3: node 1 first, then both others
  std::uint32_t soak_ms = 0;
  bool wait = true;  // of start, until it has ended
  bool json = false;
};

// Adds `upgrade` and its words to the command line.
CLI::App* AddUpgrade(CLI::App& app, UpgradeOptions& options);

// The process's exit status; of start and status: 0 unless the rollout was taken back.
int Upgrade(const control::Cluster& cluster, const UpgradeOptions& options);

}  // namespace k42::ctl
