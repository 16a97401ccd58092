// `fabric` and `fault`: what an operator sees of this node's way to the others, and how a test
// breaks it.
#pragma once

namespace k42::noded {

class ControlServer;
class Daemon;

void ServeFabric(ControlServer& server, Daemon& daemon);

}  // namespace k42::noded
