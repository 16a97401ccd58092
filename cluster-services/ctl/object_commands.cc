#include "cluster-services/ctl/object_commands.h"

#include <cstdio>

#include "cluster-services/control/client.h"
#include "cluster-services/ctl/commands.h"
#include "cluster-services/ctl/questions.h"

namespace k42::ctl {
namespace {

using control::Json;

Outcome<Json> AskNode(const control::Cluster& cluster, const std::string& node,
                      const Json& request) {
  const std::uint32_t number = control::NodeNumber(node);
  if (number != 0)
    return AskCluster(cluster, number, request);
  if (!node.empty())
    return {Status::kInvalidArgument, "'" + node + "' is no node (n1, n2, ...)"};
  // One daemon only: another one would do again what a silent one may have done.
  const Outcome<std::string> socket = cluster.SocketFor(0);
  return socket.ok() ? control::Ask(socket.value(), request) : Outcome<Json>::From(socket);
}

}  // namespace

int Object(const control::Cluster& cluster, const ObjectOptions& options) {
  if (options.action == "list")
    return Names(cluster, {.action = "list",
                           .path = options.name.empty() ? "objects" : "objects/" + options.name,
                           .value = "",
                           .json = options.json});
  const Outcome<Json> answer = AskNode(cluster, options.node,
                                       {{"request", "object"},
                                        {"action", options.action},
                                        {"class", options.kind},
                                        {"name", options.name},
                                        {"argument", options.number},
                                        {"budget_ms", options.budget_ms}});
  if (!answer.ok())
    return Complain(options.name + ": " + answer.detail());
  if (options.action != "make" && options.action != "remove" && options.action != "wait")
    std::printf("%llu\n", static_cast<unsigned long long>(answer->value("value", 0ull)));
  return 0;
}

namespace {
struct Way {
  const char* name;
  const char* many;
  const char* what;
};
constexpr Way kWays[] = {
    {"call", "calls", "calls of a global object, not echoes"},
    {"put", "puts and back", "puts into the peer's memory that are put back"},
    {"store", "puts", "puts into the peer's memory"},
    {"load", "gets", "gets from the peer's memory"},
    {"stream", "streams of puts, of each put",
     "streams of 256 puts into the peer's memory, 16 of them under way"},
};
const char* Many(const std::string& way) {
  for (const Way& one : kWays) {
    if (way == one.name)
      return one.many;
  }
  return "echoes";
}
}  // namespace

int Ping(const control::Cluster& cluster, const PingOptions& options) {
  const std::uint32_t peer = control::NodeNumber(options.to);
  if (peer == 0 && options.to != "daemon")
    return Complain("'" + options.to + "' is no node (n1, n2, ...), nor \"daemon\"");
  const Outcome<Json> answer = AskNode(cluster, options.from,
                                       {{"request", "ping"},
                                        {"peer", peer},
                                        {"count", options.count},
                                        {"size", options.size},
                                        {"way", options.way},
                                        {"budget_ms", 60'000}});
  if (!answer.ok())
    return Complain(answer.detail());
  if (options.json) {
    std::printf("%s\n", answer->dump().c_str());
    return 0;
  }
  const auto ns = [&](const char* name) {
    return static_cast<unsigned long long>(answer->value(name, 0ull));
  };
  std::printf("%s to %s, %u %s: least %llu ns, median %llu ns, most %llu ns\n",
              options.from.c_str(), options.to.c_str(), options.count, Many(options.way),
              ns("least_ns"), ns("median_ns"), ns("most_ns"));
  return 0;
}

CLI::App* AddObject(CLI::App& app, ObjectOptions& options) {
  CLI::App* object = app.add_subcommand("object", "the objects that the cluster shares by name");
  object->add_option("action", options.action, "what to do")
      ->required()
      ->check(CLI::IsMember({"list", "make", "remove", "add", "read", "arrive", "wait", "swap"}));
  object->add_option("name", options.name, "letters, digits, . _ -");
  object->add_flag("--json", options.json, "of a list: for programs");
  object->add_option("number", options.number,
                     "add: how much (1); make barrier: parties; arrive, wait: the member");
  object->add_option("--class", options.kind, "counter or barrier")
      ->check(CLI::IsMember({"counter", "barrier"}));
  object->add_option("--node", options.node, "whose kernel does it; of make: the home");
  object->add_option("--budget", options.budget_ms, "milliseconds until it must have ended");
  return object;
}

CLI::App* AddPing(CLI::App& app, PingOptions& options) {
  CLI::App* ping = app.add_subcommand("ping", "round trips between two nodes' kernels");
  ping->add_option("from", options.from, "nX: this kernel asks")->required();
  ping->add_option("to", options.to, "nY, or daemon: nX's own")->required();
  ping->add_option("--count", options.count, "how many")->check(CLI::Range(1u, 10'000u));
  ping->add_option("--size", options.size, "bytes: of an echo 8000 at most, of a put 1 MiB")
      ->check(CLI::Range(0u, 1u << 20));
  CLI::Option_group* ways = ping->add_option_group("way");
  ways->require_option(0, 1);
  for (const Way& way : kWays)
    ways->add_flag_callback(
        std::string("--") + way.name, [&options, name = way.name] { options.way = name; },
        way.what);
  ping->add_flag("--json", options.json, "for programs");
  return ping;
}

}  // namespace k42::ctl
