#include "cluster-services/noded/fabric_requests.h"

#include <spdlog/spdlog.h>

#include <charconv>

#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"
#include "interconnect/devices.h"

namespace k42::noded {
namespace {

using interconnect::FaultTransport;
using nlohmann::json;

json Devices() {
  json devices = json::array();
  for (const interconnect::DevicePort& port : interconnect::ListDevices())
    devices.push_back({{"device", port.device},
                       {"port", port.port},
                       {"state", port.state},
                       {"link", port.link},
                       {"mtu", port.mtu},
                       {"gids", port.gids},
                       {"counters", port.counters}});
  return devices;
}

// Who this node may reach, by which transport, and what has passed.
json Endpoints(Daemon& daemon) {
  json endpoints = json::array();
  for (FaultTransport* transport : daemon.transports()) {
    for (const auto& [peer, counts] : transport->counts())
      endpoints.push_back({{"peer", "n" + std::to_string(peer.node)},
                           {"incarnation", peer.incarnation},
                           {"transport", transport->Name()},
                           {"cut", transport->IsCut(peer.node)},
                           {"delay_ms", transport->DelayOf(peer.node) / 1'000'000},
                           {"sent", counts.sent},
                           {"sent_bytes", counts.sent_bytes},
                           {"messages", counts.messages},
                           {"message_bytes", counts.message_bytes},
                           {"notifications", counts.notifications},
                           {"breaks", counts.breaks}});
  }
  return endpoints;
}

// Memory that others may reach. An open window has an odd generation.
json Windows(Daemon& daemon) {
  json windows = json::array();
  interconnect::Arena* arena = daemon.arena();
  if (arena == nullptr || !arena->formatted())
    return windows;
  for (std::uint32_t index = 0; index < abi::kMaxWindows; ++index) {
    const abi::WindowEntry& entry = arena->window(index);
    if (entry.generation.load() % 2 == 0)
      continue;
    windows.push_back({{"window", index},
                       {"offset", entry.offset},
                       {"size", entry.size},
                       {"access", entry.access}});
  }
  return windows;
}

// "n2" -> 2; 0: no node.
std::uint32_t NodeOf(const std::string& name) {
  std::uint32_t node = 0;
  const char* end = name.data() + name.size();
  if (!name.starts_with('n'))
    return 0;
  const auto [stop, error] = std::from_chars(name.data() + 1, end, node);
  return error == std::errc() && stop == end ? node : 0;
}

void Fault(Daemon& daemon, Connection& connection, const json& request) {
  const std::string kind = request.value("kind", "");
  const std::uint32_t node = NodeOf(request.value("peer", ""));
  if (node == 0 || node == daemon.options().node)
    return connection.Fail(Status::kInvalidArgument,
                           "a fault is of the way to another node: n1, n2");
  if (kind == "loss")
    return connection.Fail(Status::kNotSupported,
                           "endpoints lose nothing, they break: use cut, then heal");
  if (kind != "cut" && kind != "heal" && kind != "delay" && kind != "hold")
    return connection.Fail(Status::kInvalidArgument, "no such fault: " + kind);
  const json value = request.value("value", json());
  constexpr double kLongestMs = 60'000;
  if (kind == "delay" &&
      (!value.is_number() || value.get<double>() < 0 || value.get<double>() > kLongestMs))
    return connection.Fail(Status::kInvalidArgument, "delay wants milliseconds, up to a minute");
  spdlog::info("fault: {} n{}", kind, node);
  daemon.SetFault(kind, node, kind == "delay" ? value.get<double>() : 0);
  connection.Finish(json::object());
}

}  // namespace

void ServeFabric(ControlServer& server, Daemon& daemon) {
  server.Handle("fabric", [&daemon](auto connection, const json&) {
    connection->Finish(
        {{"devices", Devices()}, {"endpoints", Endpoints(daemon)}, {"windows", Windows(daemon)}});
  });
  server.Handle("fault", [&daemon](auto connection, const json& request) {
    Fault(daemon, *connection, request);
  });
}

}  // namespace k42::noded
