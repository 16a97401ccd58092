// `names` of the control socket (cluster-services/control/README.md).
#pragma once

namespace k42::noded {

class ControlServer;
class Daemon;

void ServeNames(ControlServer& server, Daemon& daemon);

}  // namespace k42::noded
