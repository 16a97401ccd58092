// k42ctl dump: a core of a node, for GDB.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace k42::ctl {

struct DumpOptions {
  std::string node;
  std::string file;  // empty: NODE.core
};

CLI::App* AddDump(CLI::App& app, DumpOptions& options);
// Asks no daemon: of a cluster's folder, by its name (empty: the only one there is).
int Dump(const std::string& cluster, const DumpOptions& options);

}  // namespace k42::ctl
