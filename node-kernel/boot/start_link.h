// Start list: the link to the daemon, its echo service, and who hears which channel.
#pragma once

#include "global/cluster_view.h"
#include "global/link_control.h"
#include "global/link_echo.h"
#include "global/link_port.h"

namespace k42::boot {

// With all CPUs running. A machine without a link goes on without.
void StartLink();

global::LinkPort& TheLink();
global::LinkEcho& TheEcho();
global::LinkControl& TheLinkControl();
global::ClusterView& TheView();

}  // namespace k42::boot
