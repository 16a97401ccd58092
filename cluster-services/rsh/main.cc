// k42-rsh: what rsh and ssh are to launchers (Hydra, Open MPI's plm_rsh_agent), for nodes.
//
//   k42-rsh [options] [user@]node [command words...]
//
// Options of rsh and ssh are taken and, where a node has no use for them, ignored. The words after
// the node are joined by blanks and given to a shell there, as both do: a word may carry its own
// quotes. The process starts with PATH and HOME only, in /. Exit status: the command's; 255 when it
// could not be run or the node was lost. When k42-rsh dies, the command is killed.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "cluster-services/control/places.h"
#include "cluster-services/control/run_client.h"

namespace {

using namespace k42;

constexpr int kTrouble = 255;
// Options that are followed by a value in a word of its own.
constexpr const char* kWithValue = "bcDEeFIiJLlmOopQRSWw";

struct Arguments {
  std::string cluster;
  std::string host;
  std::string command;
  bool input = true;
  bool terminal = false;
};

int Complain(const std::string& text) {
  std::fprintf(stderr, "k42-rsh: %s\n", text.c_str());
  return kTrouble;
}

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  int i = 1;
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != 0; ++i) {
    if (std::strcmp(argv[i], "--") == 0) {
      ++i;
      break;
    }
    if (std::strcmp(argv[i], "--cluster") == 0 && i + 1 < argc) {
      arguments.cluster = argv[++i];
      continue;
    }
    for (const char* letter = argv[i] + 1; *letter != 0; ++letter) {
      if (*letter == 'n')
        arguments.input = false;
      if (*letter == 't')
        arguments.terminal = true;
      if (std::strchr(kWithValue, *letter) != nullptr) {
        if (letter[1] == 0)
          ++i;  // the value is the next word
        break;  // or the rest of this one
      }
    }
  }
  if (i < argc)
    arguments.host = argv[i++];
  if (const std::size_t at = arguments.host.find('@'); at != std::string::npos)
    arguments.host.erase(0, at + 1);
  for (; i < argc; ++i)
    arguments.command += (arguments.command.empty() ? "" : " ") + std::string(argv[i]);
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  if (arguments.host.empty())
    return Complain("usage: k42-rsh [options] [user@]node [command...]");
  const std::uint32_t node = control::NodeNumber(arguments.host);
  if (node == 0)
    return Complain("'" + arguments.host + "' is no node of a cluster (n1, n2, ... or 10.42.0.N)");
  const auto cluster = control::FindCluster(arguments.cluster);
  if (!cluster.ok())
    return Complain(cluster.detail());
  const auto socket = cluster->SocketFor(node);
  if (!socket.ok())
    return Complain(socket.detail());
  control::RunSpec spec;
  spec.argv = {"/bin/sh"};
  if (!arguments.command.empty())
    spec.argv.insert(spec.argv.end(), {"-c", arguments.command});
  const char* home = std::getenv("HOME");
  spec.environment = {
      "PATH=/opt/k42/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      std::string("HOME=") + (home == nullptr ? "/" : home)};
  spec.directory = "/";
  spec.input = arguments.input;
  spec.terminal = arguments.terminal || arguments.command.empty();
  const auto status = control::RunProcesses(spec, {{socket.value(), "n" + std::to_string(node)}});
  return status.ok() ? status.value() : Complain(status.detail());
}
