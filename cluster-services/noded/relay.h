// Two connections joined: frames of either go to the other, and so does its end.
#pragma once

#include <memory>

#include "cluster-services/noded/control_server.h"

namespace k42::noded {

// Each is paused while the other holds much unsent. Replaces both's on_frame, on_drained, on_gone.
void JoinConnections(const std::shared_ptr<Connection>& one,
                     const std::shared_ptr<Connection>& other);

}  // namespace k42::noded
