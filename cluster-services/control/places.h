// Where running clusters and their daemons' sockets are found, without asking anybody.
//
//   $K42_CONTROL              one socket, for everything: unix:PATH or tcp:HOST:PORT
//   <run root>/<cluster>/n<N>/noded.sock      simulated clusters (sim-fabric)
//   /run/k42/noded.sock       a host of a lab; its daemon passes requests for other nodes on
//   tcp:k42-host:4242         inside a node: the companion
// The run root is $K42_RUN, else $XDG_RUNTIME_DIR/k42, else /tmp/k42-<uid>; it must be ours, and
// nobody else's to write to.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cluster-services/support/outcome.h"

namespace k42::control {

struct Cluster {
  std::string name;
  // Sockets by node; node 0: a daemon that passes requests on to the node they name.
  std::map<std::uint32_t, std::string> sockets;

  // The socket to ask for what concerns `node` (0: any).
  Outcome<std::string> SocketFor(std::uint32_t node) const;
};

// The cluster of that name, or the only one there is when `name` is empty.
Outcome<Cluster> FindCluster(const std::string& name);

// The folder with the sockets of that node's parts on this host, its QEMU's monitor (qmp.sock)
// among them; no daemon need run. `cluster` empty: the only one there is.
Outcome<std::string> FindNodeFolder(const std::string& cluster, std::uint32_t node);

// "n3", "3", "10.42.0.3" -> 3; 0: none of these.
std::uint32_t NodeNumber(const std::string& name);

}  // namespace k42::control
