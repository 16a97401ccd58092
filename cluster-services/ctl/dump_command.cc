#include "cluster-services/ctl/dump_command.h"

#include <cstdio>

#include "cluster-services/control/places.h"
#include "cluster-services/ctl/commands.h"
#include "cluster-services/dump/node_dump.h"

namespace k42::ctl {

CLI::App* AddDump(CLI::App& app, DumpOptions& options) {
  CLI::App* dump = app.add_subcommand(
      "dump",
      "a core of a node of this host for GDB, also of one that hangs: dump NODE [FILE]\n"
      "looked at with:  k42-sim gdb FILE");
  dump->add_option("node", options.node, "n1, n2, ...")->required();
  dump->add_option("file", options.file, "where to (default: NODE.core)");
  return dump;
}

int Dump(const std::string& cluster, const DumpOptions& options) {
  const std::uint32_t node = control::NodeNumber(options.node);
  if (node == 0)
    return Complain("'" + options.node + "' is no node (n1, n2, ...)");
  const Outcome<std::string> folder = control::FindNodeFolder(cluster, node);
  if (!folder.ok())
    return Complain(folder.detail());
  const std::string name = "n" + std::to_string(node);
  const std::string file = options.file.empty() ? name + ".core" : options.file;
  const Outcome<dump::DumpReport> report = dump::DumpNode(folder.value(), node, file);
  if (!report.ok())
    return Complain(report.detail());
  if (!report->stood_still)
    std::fprintf(stderr,
                 "k42ctl: %s's daemon hangs, so the node was not stopped: what is in the core may "
                 "not fit together, and CPUs that run are not quite where it says\n",
                 name.c_str());
  else if (!report->goes_on)
    std::fprintf(stderr, "k42ctl: %s had been stopped before, and is still\n", name.c_str());
  else
    std::printf("%s stood still for %llu ms\n", name.c_str(),
                static_cast<unsigned long long>(report->milliseconds));
  std::printf("%s: %zu CPUs, %llu MiB of memory, %llu MiB of it in use\n", file.c_str(),
              report->cpus, static_cast<unsigned long long>(report->size.memory >> 20),
              static_cast<unsigned long long>(report->size.written >> 20));
  std::printf("k42-sim gdb --kernel %s %s\n", report->kernel.c_str(), file.c_str());
  return 0;
}

}  // namespace k42::ctl
