#include "cluster-services/noded/requests.h"

namespace k42::noded {
namespace {

using nlohmann::json;

const char* GuestName(Daemon::Guest guest) {
  switch (guest) {
    case Daemon::Guest::kDown:
      return "down";
    case Daemon::Guest::kBooting:
    case Daemon::Guest::kJoining:
      return "booting";
    case Daemon::Guest::kUp:
      return "up";
  }
  return "down";
}

json StatusOf(Daemon& daemon) {
  json status{{"node", daemon.options().node},
              {"cluster", daemon.options().cluster},
              {"guest", GuestName(daemon.guest())},
              {"member", false},
              {"incarnation", daemon.identity().self.incarnation},
              {"epoch", daemon.view().epoch}};
  if (interconnect::LinkHost* link = daemon.link(); link != nullptr) {
    status["generation"] = link->generation();
    status["heartbeat_age_ms"] = link->HeartbeatAgeNs() / 1'000'000;
  }
  for (const MemberNode& member : daemon.view().members) {
    if (member.id == daemon.identity().self)
      status["member"] = true;
  }
  return status;
}

json NodesOf(Daemon& daemon) {
  json nodes = json::array();
  for (const MemberNode& member : daemon.view().members) {
    nodes.push_back({{"node", member.id.node},
                     {"name", "n" + std::to_string(member.id.node)},
                     {"incarnation", member.id.incarnation},
                     {"digest", member.digest}});
  }
  return {{"cluster", daemon.options().cluster},
          {"epoch", daemon.view().epoch},
          {"self", daemon.options().node},
          {"nodes", nodes}};
}

}  // namespace

std::unique_ptr<Membership> MakeMembership(const Options& options, EventLoop& loop,
                                           MembershipEvents& events) {
  if (!options.members.empty())
    return MakeFolderMembership(options.members, options.node, loop, events);
  return nullptr;
}

void ServeRequests(ControlServer& server, Daemon& daemon) {
  server.Handle("status",
                [&daemon](auto connection, const json&) { connection->Finish(StatusOf(daemon)); });
  server.Handle("nodes",
                [&daemon](auto connection, const json&) { connection->Finish(NodesOf(daemon)); });
}

}  // namespace k42::noded
