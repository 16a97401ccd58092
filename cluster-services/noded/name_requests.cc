// Listing answers from the cache; binding waits for the store, so it runs on a thread of its own
// and answers on the loop's.
#include "cluster-services/noded/name_requests.h"

#include "cluster-services/agent/change_name.h"
#include "cluster-services/agent/task_thread.h"
#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"

namespace k42::noded {
namespace {

using nlohmann::json;
using Change = std::function<Outcome<Done>(agent::ClusterAgent&)>;

json AsJson(const names::Binding& binding) {
  return {{"path", binding.path},
          {"value", binding.value},
          {"owner", binding.owner == 0 ? "" : "n" + std::to_string(binding.owner)},
          {"revision", binding.version}};
}

void Show(Connection& connection, agent::ClusterAgent& agent, const std::string& action,
          const std::string& path) {
  json names = json::array();
  if (action == "list") {
    for (const names::Binding& binding : agent.ListNames(path)) names.push_back(AsJson(binding));
  } else if (const auto binding = agent.Lookup(path); binding) {
    names.push_back(AsJson(*binding));
  } else {
    return connection.Fail(Status::kNotFound, "no name '" + path + "'");
  }
  connection.Finish({{"names", names}});
}

// What an operator means by put and delete: whatever stands there now.
Change ChangeOf(const std::string& action, const std::string& path, const std::string& value) {
  return [action, path, value](agent::ClusterAgent& agent) {
    return action == "delete" ? DeleteName(agent, path) : PutName(agent, path, value);
  };
}

}  // namespace

void ServeNames(ControlServer& server, Daemon& daemon) {
  auto thread = std::make_shared<agent::TaskThread>();
  server.Handle("names", [&daemon, thread](auto connection, const json& request) {
    agent::ClusterAgent* agent = daemon.agent();
    if (agent == nullptr)
      return connection->Fail(Status::kNotSupported, "this daemon runs without a store");
    const std::string action = request.value("action", "list");
    const std::string path = request.value("path", "");
    if (action == "list" || action == "get")
      return Show(*connection, *agent, action, path);
    if (action != "put" && action != "delete")
      return connection->Fail(Status::kInvalidArgument, "no such action: " + action);
    Change change = ChangeOf(action, path, request.value("value", ""));
    thread->Post([&daemon, agent, connection, change] {
      const Outcome<Done> done = change(*agent);
      daemon.loop().Post([connection, done] {
        if (done.ok())
          return connection->Finish({{"names", json::array()}});
        const bool unknown = done.status() == Status::kUnknown;
        connection->Fail(
            done.status(),
            unknown ? "it is not known whether the change was made; look (" + done.detail() + ")"
                    : done.detail());
      });
    });
  });
}

}  // namespace k42::noded
