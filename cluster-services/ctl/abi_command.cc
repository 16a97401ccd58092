#include "cluster-services/ctl/abi_command.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "cluster-services/control/client.h"
#include "cluster-services/ctl/call_names.h"
#include "cluster-services/ctl/commands.h"
#include "cluster-services/ctl/questions.h"

namespace k42::ctl {

using control::Json;

CLI::App* AddAbi(CLI::App& app, AbiOptions& options) {
  CLI::App* abi =
      app.add_subcommand("abi", "system calls that a node's programs asked for in vain");
  abi->add_option("node", options.node, "n1, n2, ...")->required();
  abi->add_flag("--json", options.json, "for programs");
  return abi;
}

int Abi(const control::Cluster& cluster, const AbiOptions& options) {
  const std::uint32_t number = control::NodeNumber(options.node);
  if (number == 0)
    return Complain("'" + options.node + "' is no node (n1, n2, ...)");
  const Outcome<Json> answer = AskCluster(cluster, number, {{"request", "abi"}});
  if (!answer.ok())
    return Complain(options.node + ": " + answer.detail());
  std::vector<Json> calls = answer->value("calls", std::vector<Json>());
  std::sort(calls.begin(), calls.end(), [](const Json& a, const Json& b) {
    return a.value("count", 0ull) > b.value("count", 0ull);
  });
  for (Json& call : calls) {
    const std::string program = call.value("program", "");
    call["name"] = program.empty() ? "others" : NameOfCall(call.value("number", 0u));
  }
  if (options.json) {
    std::printf("%s\n", Json(calls).dump(2).c_str());
    return 0;
  }
  if (calls.empty())
    std::printf("none\n");
  for (const Json& call : calls)
    std::printf("%10llu  %-24s %s\n", static_cast<unsigned long long>(call.value("count", 0ull)),
                call.value("name", "").c_str(), call.value("program", "").c_str());
  return 0;
}

}  // namespace k42::ctl
