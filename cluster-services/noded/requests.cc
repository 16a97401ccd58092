#include "cluster-services/noded/requests.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "cluster-services/noded/name_requests.h"

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
              {"members", json::array()},
              {"authority", daemon.agent() != nullptr && daemon.agent()->HasAuthority()},
              {"incarnation", daemon.identity().self.incarnation},
              {"epoch", daemon.view().epoch}};
  if (interconnect::LinkHost* link = daemon.link(); link != nullptr) {
    status["generation"] = link->generation();
    status["heartbeat_age_ms"] = link->HeartbeatAgeNs() / 1'000'000;
  }
  for (const MemberNode& member : daemon.view().members) {
    status["members"].push_back(member.id.node);
    if (member.id == daemon.identity().self)
      status["member"] = true;
  }
  return status;
}

json NodesOf(Daemon& daemon) {
  json nodes = json::array();
  agent::ClusterAgent* agent = daemon.agent();
  const auto current = agent == nullptr ? nullptr : agent->Current();
  for (const MemberNode& member : daemon.view().members) {
    nodes.push_back({{"node", member.id.node},
                     {"name", "n" + std::to_string(member.id.node)},
                     {"incarnation", member.id.incarnation},
                     {"digest", member.digest}});
    if (current == nullptr || !current->loads.contains(member.id.node))
      continue;
    const agent::LoadReport& load = current->loads.at(member.id.node);
    nodes.back().update({{"cpus", load.cpus},
                         {"load", load.runnable_x100 / 100.0},
                         {"memory_total", load.memory_total},
                         {"memory_free", load.memory_free},
                         {"draining", load.draining}});
  }
  return {{"cluster", daemon.options().cluster},
          {"epoch", daemon.view().epoch},
          {"self", daemon.options().node},
          {"authority", agent != nullptr && agent->HasAuthority()},
          {"nodes", nodes}};
}

// What the kernel reports about once a second, on its way to the store.
void OnLoad(Daemon& daemon, std::span<const std::byte> payload) {
  abi::LoadReport report;
  if (payload.size() < sizeof report || daemon.agent() == nullptr)
    return;
  std::memcpy(&report, payload.data(), sizeof report);
  agent::LoadReport load;
  load.cpus = report.cpus;
  load.runnable_x100 = report.runnable_x100;
  load.memory_total = report.memory_total;
  load.memory_free = std::min(report.memory_free, report.memory_total);
  daemon.agent()->ReportLoad(load);
}

}  // namespace

std::unique_ptr<Membership> MakeMembership(const Options& options, EventLoop& loop,
                                           MembershipEvents& events) {
  if (!options.members.empty())
    return MakeFolderMembership(options.members, options.node, loop, events);
  if (options.etcd.empty())
    return nullptr;
  std::string error;
  auto membership = MakeStoreMembership(
      {options.cluster, options.node, options.folder, options.etcd, options.cpus}, loop, events,
      &error);
  if (membership == nullptr)
    spdlog::error("--etcd: {}", error);
  return membership;
}

void ServeRequests(ControlServer& server, Daemon& daemon) {
  server.Handle("status",
                [&daemon](auto connection, const json&) { connection->Finish(StatusOf(daemon)); });
  server.Handle("nodes",
                [&daemon](auto connection, const json&) { connection->Finish(NodesOf(daemon)); });
  ServeNames(server, daemon);
  daemon.SetControlHandler(abi::ControlKind::kLoad, abi::ControlKind::kLoad,
                           [&daemon](const abi::Frame&, std::span<const std::byte> payload) {
                             OnLoad(daemon, payload);
                           });
}

}  // namespace k42::noded
