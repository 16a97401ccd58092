// k42ctl mpirun: an MPI job over nodes of the cluster.
#pragma once

#include "cluster-services/ctl/commands.h"

namespace k42::ctl {

struct MpiOptions {
  RunOptions run;        // processes, policy, memory; spec: words, environment, directory
  bool counted = false;  // whether run.processes was asked for
  std::string nodes;     // "n1:2,n2:2"; empty: by the policy
  bool mpich = false;
  bool from_host = false;
};

// Says what it runs, runs it, and exits with its status. When a node with ranks leaves the cluster
// meanwhile, the job is ended, and the node named: status 1.
int Mpirun(const control::Cluster& cluster, const MpiOptions& options);

}  // namespace k42::ctl
