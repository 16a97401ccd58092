// What operators ask the daemon (cluster-services/control/README.md).
#pragma once

#include <memory>

#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"

namespace k42::noded {

// The membership that the options ask for; null if they ask for none.
std::unique_ptr<Membership> MakeMembership(const Options& options, EventLoop& loop,
                                           MembershipEvents& events);

// What programs of the node may ask, by k42-offload.
inline const Gate kAskedFromInside{{"nodes", "run", "status", "names"}, false};

void ServeRequests(ControlServer& server, Daemon& daemon);

}  // namespace k42::noded
