// What k42ctl does, one function per command. Each returns the process's exit status.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster-services/control/places.h"
#include "cluster-services/control/run_client.h"
#include "global-policy/placement.h"

namespace k42::ctl {

struct RunOptions {
  control::RunSpec spec;
  std::string node;  // empty: placed by policy
  std::uint32_t processes = 1;
  policy::Kind policy = policy::Kind::kSpread;
  std::uint64_t memory = 0;
};

int Nodes(const control::Cluster& cluster, bool json);
int Run(const control::Cluster& cluster, const RunOptions& options);
// Requests whose answer is shown as it is: status, fabric.
int Show(const control::Cluster& cluster, const std::string& node, const std::string& request);
struct NamesOptions {
  std::string action = "list";
  std::string path;
  std::string value;
  bool json = false;
};
int Names(const control::Cluster& cluster, const NamesOptions& options);

// Where one daemon answers for everything, whatever its cluster is: that it is the one named.
// A daemon that does not answer is the command's own business.
Outcome<Done> CheckName(const control::Cluster& cluster);

int Complain(const std::string& text);

}  // namespace k42::ctl
