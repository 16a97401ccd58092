// k42-offload: sockets to outside hosts for the programs of one node (README.md).
//
// It outlives the node's daemon, so that connections do, and holds nothing of the node but them.
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cluster-services/offload/bridge.h"
#include "cluster-services/offload/confine.h"
#include "cluster-services/offload/session.h"
#include "cluster-services/offload/sockets.h"
#include "interconnect/unix_socket.h"

namespace {

using namespace k42;

struct Options {
  std::string cluster = "k42";
  std::uint32_t node = 1;
  std::string folder;
  std::set<offload::Denied> denied;
};

// The folder that is this process's whole file system; the daemon's control socket is there.
constexpr const char* kInside = "/inside";
constexpr const char* kControl = "noded.sock";

volatile sig_atomic_t stopping = 0;

std::uint64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

int Complain(const Options& options, const std::string& what) {
  std::fprintf(stderr, "k42-offload n%u: %s\n", options.node, what.c_str());
  return 1;
}

Options Parse(int argc, char** argv) {
  Options options;
  CLI::App app("Sockets to outside hosts for the programs of a K42 node.");
  app.add_option("--cluster", options.cluster, "name of the cluster")->required();
  app.add_option("--node", options.node, "number of the node, from 1")->required();
  app.add_option("--folder", options.folder, "where offload.sock is made")->required();
  std::vector<std::string> denied;
  app.add_option("--deny", denied,
                 "what the node does not reach: PORT of this host's loopback, or ADDRESS:PORT")
      ->delimiter(',');
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  for (const std::string& text : denied) {
    const auto one = offload::ParseDenied(text);
    if (!one.ok())
      std::exit(Complain(options, "--deny: '" + text + "' is neither PORT nor ADDRESS:PORT"));
    options.denied.insert(one.value());
  }
  return options;
}

void Serve(offload::Session& session, offload::Bridge& bridge, offload::Sockets& sockets) {
  constexpr std::uint64_t kTickNs = 1'000'000'000;
  constexpr int kTickMs = 1000;
  std::uint64_t next_tick = 0;
  std::vector<pollfd> polled;
  while (stopping == 0) {
    const auto wanted =
        static_cast<short>((session.full() ? 0 : POLLIN) | (session.wants_write() ? POLLOUT : 0));
    polled = {{session.listener(), POLLIN, 0}, {session.descriptor(), wanted, 0}};
    const std::size_t first = polled.size();
    sockets.AddTo(polled, !session.full());
    if (poll(polled.data(), polled.size(), kTickMs) < 0)
      continue;  // a signal
    sockets.Handle(bridge, polled, first);
    if ((polled[1].revents & POLLOUT) != 0)
      session.Flush();
    if ((polled[1].revents & ~POLLOUT) != 0)
      session.Receive(bridge);
    if (polled[0].revents != 0)
      session.Accept();
    if (const std::uint64_t now = NowNs(); now >= next_tick) {
      next_tick = now + kTickNs;
      bridge.Tick(now);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = Parse(argc, argv);
  struct sigaction action {};
  action.sa_handler = [](int) { stopping = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  umask(077);

  const std::string inside = options.folder + kInside;
  if (mkdir(inside.c_str(), 0700) != 0 && errno != EEXIST)
    return Complain(options, inside + ": " + std::strerror(errno));
  auto listener = interconnect::ListenUnix(options.folder + "/offload.sock", SOCK_SEQPACKET);
  if (!listener)
    return Complain(options, options.folder + "/offload.sock: " + std::strerror(errno));
  std::uint64_t life = 0;
  while (life == 0) {
    if (getrandom(&life, sizeof life, 0) != sizeof life)
      return Complain(options, "no random numbers");
  }
  std::string error;
  if (!offload::Confine(inside, &error))
    return Complain(options, error);

  offload::Session session(std::move(listener), life);
  offload::Sockets sockets(kControl, options.denied);
  offload::Bridge bridge(
      sockets, [&session](const auto& header, auto payload) { session.Send(header, payload); });
  std::fprintf(stderr, "k42-offload n%u: ready\n", options.node);
  Serve(session, bridge, sockets);
  return 0;
}
