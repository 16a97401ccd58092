// k42ctl: what an operator asks of a running cluster.
#include <CLI/CLI.hpp>

#include "cluster-services/ctl/abi_command.h"
#include "cluster-services/ctl/commands.h"
#include "cluster-services/ctl/dump_command.h"
#include "cluster-services/ctl/mpirun.h"
#include "cluster-services/ctl/object_commands.h"
#include "cluster-services/ctl/trace_command.h"
#include "cluster-services/ctl/upgrade_commands.h"

namespace {

using namespace k42;

int Main(int argc, char** argv) {
  CLI::App app("Looks at a K42 cluster and runs programs on it.");
  app.require_subcommand(1);
  std::string cluster_name;
  app.add_option("--cluster", cluster_name, "which cluster (default: the only one that runs)");

  bool json = false;
  CLI::App* nodes = app.add_subcommand("nodes", "the members of the cluster and their load");
  nodes->add_flag("--json", json, "for programs");

  ctl::RunOptions options;
  std::string policy = "spread";
  CLI::App* run =
      app.add_subcommand("run", "runs a program: k42ctl run [options] -- PROGRAM WORDS...");
  run->add_option("--node", options.node, "on this node (default: placed by the policy)");
  run->add_option("-n", options.processes, "processes")->check(CLI::Range(1u, 4096u));
  run->add_option("--policy", policy, "spread or pack")->check(CLI::IsMember({"spread", "pack"}));
  run->add_option("--memory", options.memory, "bytes each process needs, for the policy");
  run->add_option("--env", options.spec.environment, "K=V, may be given again")
      ->allow_extra_args(false);
  run->add_option("--cwd", options.spec.directory, "working directory on the node");
  run->add_flag("--terminal,-t", options.spec.terminal, "with a terminal");
  run->add_option("command", options.spec.argv, "program and its words")->required();
  run->prefix_command();

  ctl::MpiOptions mpi;
  std::string flavour = "openmpi";
  CLI::App* mpirun = app.add_subcommand(
      "mpirun", "runs an MPI job over nodes: k42ctl mpirun -n N [options] -- PROGRAM WORDS...");
  const CLI::Option* ranks =
      mpirun->add_option("-n", mpi.run.processes, "ranks")->check(CLI::Range(1u, 4096u));
  mpirun->add_option("--mpi", flavour, "openmpi or mpich")
      ->check(CLI::IsMember({"openmpi", "mpich"}));
  mpirun->add_option("--nodes", mpi.nodes, "where, n1:2,n2:2 (default: by the policy)");
  mpirun->add_option("--policy", policy, "spread or pack")
      ->check(CLI::IsMember({"spread", "pack"}));
  mpirun->add_option("--memory", mpi.run.memory, "bytes each rank needs, for the policy");
  mpirun->add_option("--env", mpi.run.spec.environment, "K=V, may be given again")
      ->allow_extra_args(false);
  mpirun->add_option("--cwd", mpi.run.spec.directory, "the ranks' folder (default: /cluster)");
  mpirun->add_flag("--from-host", mpi.from_host, "the launcher runs here, not on the first node");
  mpirun->add_option("command", mpi.run.spec.argv, "program and its words")->required();
  mpirun->prefix_command();

  std::string node;
  CLI::App* status = app.add_subcommand("status", "a node's daemon and guest");
  CLI::App* fabric = app.add_subcommand("fabric", "devices, endpoints and windows of a node");
  for (CLI::App* one : {status, fabric}) {
    one->add_option("--node", node, "which node (default: the first that answers)");
    one->add_flag("--json", json, "for programs: as it always is");
  }
  ctl::TraceOptions trace_options;
  CLI::App* trace = ctl::AddTrace(app, trace_options);

  ctl::AbiOptions abi_options;
  CLI::App* abi = ctl::AddAbi(app, abi_options);
  ctl::DumpOptions dump_options;
  CLI::App* dump = ctl::AddDump(app, dump_options);

  std::string action = "list";
  std::string path;
  std::string value;
  CLI::App* names = app.add_subcommand("names", "the cluster's tree of names");
  names->add_option("action", action, "list, get, put or delete")
      ->check(CLI::IsMember({"list", "get", "put", "delete"}));
  names->add_option("path", path, "name, or where to list from");
  names->add_option("value", value, "of put");
  names->add_flag("--json", json, "of a listing: for programs");

  ctl::ObjectOptions object_options;
  CLI::App* object = ctl::AddObject(app, object_options);
  ctl::PingOptions ping_options;
  CLI::App* ping = ctl::AddPing(app, ping_options);
  ctl::UpgradeOptions upgrade_options;
  CLI::App* upgrade = ctl::AddUpgrade(app, upgrade_options);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (*dump)
    return ctl::Dump(cluster_name, dump_options);
  const auto cluster = control::FindCluster(cluster_name);
  if (!cluster.ok())
    return ctl::Complain(cluster.detail());
  if (!cluster_name.empty()) {
    if (const auto same = ctl::CheckName(cluster.value()); !same.ok())
      return ctl::Complain(same.detail());
  }
  options.policy = policy == "pack" ? policy::Kind::kPack : policy::Kind::kSpread;
  if (*nodes)
    return ctl::Nodes(cluster.value(), json);
  if (*upgrade)
    return ctl::Upgrade(cluster.value(), upgrade_options);
  if (*run)
    return ctl::Run(cluster.value(), options);
  if (*mpirun) {
    mpi.run.policy = options.policy;
    mpi.counted = ranks->count() != 0;
    mpi.mpich = flavour == "mpich";
    return ctl::Mpirun(cluster.value(), mpi);
  }
  if (*status)
    return ctl::Show(cluster.value(), node, "status");
  if (*fabric)
    return ctl::Show(cluster.value(), node, "fabric");
  if (*abi)
    return ctl::Abi(cluster.value(), abi_options);
  if (*trace)
    return ctl::Trace(cluster.value(), trace_options);
  if (*object)
    return ctl::Object(cluster.value(), object_options);
  if (*ping)
    return ctl::Ping(cluster.value(), ping_options);
  return ctl::Names(cluster.value(), {action, path, value, json});
}

}  // namespace

int main(int argc, char** argv) {
  return Main(argc, argv);
}
