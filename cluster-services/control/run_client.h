// Runs processes on nodes as if they were here: standard streams, signals, window size, exit
// status.
//
// Input goes to the first process; what the terminal or a parent signals to us goes to all. SIGINT
// ends us where no process runs yet, and when none has said anything since the one before. Should
// this program die, the daemons see the connections close and kill what they started.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cluster-services/control/client.h"
#include "cluster-services/support/outcome.h"

namespace k42::control {

struct RunSpec {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // K=V
  std::string directory;
  bool terminal = false;  // the process gets a terminal of our size; ours goes raw
  bool input = true;      // false: the process's standard input is at its end
  Milliseconds start_limit = kChangeLimit;  // for a daemon and its kernel to start the process
};

struct RunPlace {
  std::string address;  // of the daemon
  std::string node;     // "n2"; empty: where the daemon is
};

// Starts one process at each place and relays until all have ended. The shell's exit status: that
// of the first that failed, 128 + signal, or 0.
Outcome<int> RunProcesses(const RunSpec& spec, const std::vector<RunPlace>& places);

}  // namespace k42::control
