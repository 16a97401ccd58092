// k42ctl trace: what nodes record, as text or for Perfetto.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cluster-services/control/places.h"

namespace k42::ctl {

struct TraceOptions {
  std::string node;                  // --node, beside those in `words`
  std::vector<std::string> words;    // NODE..., or mask CLASS..., or dump NODE...
  std::vector<std::string> classes;  // shown, and with `seconds` recorded; none: all
  double seconds = 0;                // record for so long first
  std::string json;                  // file for Perfetto; "-": standard output
  bool follow = false;
};

CLI::App* AddTrace(CLI::App& app, TraceOptions& options);
int Trace(const control::Cluster& cluster, const TraceOptions& options);

}  // namespace k42::ctl
