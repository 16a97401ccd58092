#include "cluster-services/noded/fabric_requests.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <map>
#include <optional>

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
                           {"bytes_per_second", transport->RateOf(peer.node)},
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
  // What a kind's value is, and its bounds.
  struct Value {
    double least;
    double most;
    const char* what;
  };
  static const std::map<std::string, std::optional<Value>> kKinds = {
      {"cut", {}},
      {"heal", {}},
      {"hold", {}},
      {"delay", Value{0, 60'000, "delay wants milliseconds, up to a minute"}},
      {"slow", Value{0.001, 100'000, "slow wants megabytes a second, at least 0.001"}},
      {"break", Value{0, 1'000, "break wants a number of operations, up to 1000"}}};
  const auto found = kKinds.find(kind);
  if (found == kKinds.end())
    return connection.Fail(Status::kInvalidArgument, "no such fault: " + kind);
  const json given = request.value("value", json());
  double value = 0;
  if (found->second) {
    value = given.is_number() ? given.get<double>() : kind == "break" && given.is_null() ? 0 : -1;
    if (value < found->second->least || value > found->second->most)
      return connection.Fail(Status::kInvalidArgument, found->second->what);
  } else if (!given.is_null()) {
    return connection.Fail(Status::kInvalidArgument, kind + " has no value");
  }
  const json done = request.value("done", json(true));
  if (!done.is_boolean())
    return connection.Fail(Status::kInvalidArgument, "done: true or false");
  spdlog::info("fault: {} n{} {}", kind, node, value);
  if (!daemon.SetFault(kind, node, value, done.get<bool>()))
    return connection.Fail(Status::kUnavailable,
                           "there is no endpoint to n" + std::to_string(node) +
                               " to break: it is no member, its way is cut, or a break waits");
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
