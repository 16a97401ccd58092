#include "cluster-services/ctl/commands.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "cluster-services/control/client.h"
#include "cluster-services/ctl/questions.h"

namespace k42::ctl {

using control::Json;

Outcome<Json> AskCluster(const control::Cluster& cluster, std::uint32_t node, Json request,
                         control::Milliseconds limit) {
  if (node != 0) {
    request["node"] = "n" + std::to_string(node);
    const Outcome<std::string> socket = cluster.SocketFor(node);
    return socket.ok() ? control::Ask(socket.value(), request, limit) : Outcome<Json>::From(socket);
  }
  Outcome<Json> answer(Status::kUnavailable, "no daemon of cluster " + cluster.name + " runs");
  for (const auto& [number, socket] : cluster.sockets) {
    answer = control::Ask(socket, request, limit);
    // A dead node's daemon is no reason to say nothing about the others.
    if (answer.ok() ||
        (answer.status() != Status::kUnavailable && answer.status() != Status::kEndpointDown))
      break;
  }
  return answer;
}

namespace {

// A node without a certain lease for the moment (a store that changes its leader, a busy machine)
// is asked again for a few seconds before the operator has to do it. Nothing was changed then.
Outcome<Json> AskForChange(const control::Cluster& cluster, const Json& request) {
  constexpr std::chrono::seconds kPatience{5};
  constexpr std::chrono::milliseconds kPause{250};
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    Outcome<Json> answer = AskCluster(cluster, 0, request, control::kChangeLimit);
    if (answer.ok() || answer.status() != Status::kUnavailable ||
        std::chrono::steady_clock::now() >= until)
      return answer;
    std::this_thread::sleep_for(kPause);
  }
}

std::string Size(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%llu MiB", static_cast<unsigned long long>(bytes >> 20));
  return text;
}

// The nodes' reports as the policies want them.
std::vector<policy::NodeModel> Models(const Json& answer) {
  std::vector<policy::NodeModel> models;
  for (const Json& node : answer.value("nodes", Json::array())) {
    policy::NodeModel model;
    model.node = node.value("node", 0u);
    // A node that has not reported yet counts as idle with one CPU: it just joined.
    model.cpus = node.value("cpus", 1u);
    model.runnable_x100 = static_cast<std::uint32_t>(node.value("load", 0.0) * 100);
    model.memory_free = node.value("memory_free", std::uint64_t{0});
    model.accepts = !node.value("draining", false);
    if (model.node != 0)
      models.push_back(model);
  }
  return models;
}

}  // namespace

Outcome<std::vector<std::uint32_t>> PlaceProcesses(const control::Cluster& cluster,
                                                   const RunOptions& options) {
  const Outcome<Json> answer = AskCluster(cluster, 0, {{"request", "nodes"}});
  if (!answer.ok())
    return Outcome<std::vector<std::uint32_t>>::From(answer);
  std::vector<policy::NodeModel> models = Models(answer.value());
  std::vector<std::uint32_t> placement(options.processes);
  const Status status =
      policy::Place(options.policy, models, {options.processes, options.memory}, placement);
  switch (status) {
    case Status::kOk:
      return placement;
    case Status::kUnavailable:
      return {status, "no node takes processes now; see: k42ctl nodes"};
    case Status::kNoMemory:
      return {status, "no node has " + Size(options.memory) + " free for each of " +
                          std::to_string(options.processes) + " processes"};
    default:
      return {status, "the placement policy refuses"};
  }
}

int Complain(const std::string& text) {
  std::fprintf(stderr, "k42ctl: %s\n", text.c_str());
  return 1;
}

Outcome<Done> CheckName(const control::Cluster& cluster) {
  const auto all = cluster.sockets.find(0);
  if (all == cluster.sockets.end())
    return Done{};  // found by that name
  const Outcome<Json> answer = control::Ask(all->second, {{"request", "status"}});
  const std::string name = answer.ok() ? answer->value("cluster", cluster.name) : cluster.name;
  if (name != cluster.name)
    return {Status::kNotFound,
            "the daemon at " + all->second + " is of cluster " + name + ", not " + cluster.name};
  return Done{};
}

int Nodes(const control::Cluster& cluster, bool json) {
  const Outcome<Json> answer = AskCluster(cluster, 0, {{"request", "nodes"}});
  if (!answer.ok())
    return Complain(answer.detail());
  if (json) {
    std::printf("%s\n", answer->dump(1).c_str());
    return 0;
  }
  std::printf("cluster %s, epoch %lld\n", answer->value("cluster", "").c_str(),
              static_cast<long long>(answer->value("epoch", std::int64_t{0})));
  if (!answer->value("authority", true))
    std::printf("n%u, which answers, has no authority: this may be over\n",
                answer->value("self", 0u));
  std::printf("%-5s %11s %5s %6s %10s %10s  %s\n", "node", "incarnation", "cpus", "load", "free",
              "memory", "");
  for (const Json& node : answer->value("nodes", Json::array())) {
    const bool reported = node.contains("cpus");
    std::printf("%-5s %11llu ", node.value("name", "?").c_str(),
                static_cast<unsigned long long>(node.value("incarnation", std::uint64_t{0})));
    if (reported)
      std::printf("%5u %6.2f %10s %10s  ", node.value("cpus", 0u), node.value("load", 0.0),
                  Size(node.value("memory_free", std::uint64_t{0})).c_str(),
                  Size(node.value("memory_total", std::uint64_t{0})).c_str());
    else
      std::printf("%5s %6s %10s %10s  ", "-", "-", "-", "-");
    std::printf("%s\n", node.value("draining", false) ? "draining" : "");
  }
  return 0;
}

int Run(const control::Cluster& cluster, const RunOptions& options) {
  std::vector<std::uint32_t> placement;
  if (options.node.empty()) {
    const auto placed = PlaceProcesses(cluster, options);
    if (!placed.ok())
      return Complain(placed.detail());
    placement = placed.value();
  } else {
    const std::uint32_t node = control::NodeNumber(options.node);
    if (node == 0)
      return Complain("'" + options.node + "' is no node (n1, n2, ...)");
    placement.assign(options.processes, node);
  }
  std::vector<control::RunPlace> places;
  for (std::uint32_t node : placement) {
    const Outcome<std::string> socket = cluster.SocketFor(node);
    if (!socket.ok())
      return Complain(socket.detail());
    places.push_back({socket.value(), "n" + std::to_string(node)});
  }
  const Outcome<int> status = control::RunProcesses(options.spec, places);
  return status.ok() ? status.value() : Complain(status.detail());
}

int Show(const control::Cluster& cluster, const std::string& node, const std::string& request) {
  const std::uint32_t number = node.empty() ? 0 : control::NodeNumber(node);
  if (!node.empty() && number == 0)
    return Complain("'" + node + "' is no node (n1, n2, ...)");
  const Outcome<Json> answer = AskCluster(cluster, number, {{"request", request}});
  if (!answer.ok())
    return Complain(answer.detail());
  std::printf("%s\n", answer->dump(1).c_str());
  return 0;
}

int Names(const control::Cluster& cluster, const NamesOptions& options) {
  const Json request{{"request", "names"},
                     {"action", options.action},
                     {"path", options.path},
                     {"value", options.value}};
  const Outcome<Json> answer = AskForChange(cluster, request);
  if (!answer.ok())
    return Complain(answer.detail());
  const Json listed = answer->value("names", Json::array());
  if (options.json) {
    std::printf("%s\n", listed.dump(1).c_str());
    return 0;
  }
  for (const Json& name : listed) {
    if (options.action == "get") {
      std::printf("%s\n", name.value("value", "").c_str());
      continue;
    }
    const std::string owner = name.value("owner", "");
    std::printf("%-40s %s%s\n", name.value("path", "").c_str(), name.value("value", "").c_str(),
                owner.empty() ? "" : ("  (" + owner + "'s)").c_str());
  }
  return 0;
}

}  // namespace k42::ctl
