// k42-noded: the companion of one node. What it does: README.md; what it is asked:
// control/README.md.
#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"
#include "cluster-services/noded/fabric_requests.h"
#include "cluster-services/noded/kernel_names.h"
#include "cluster-services/noded/object_service.h"
#include "cluster-services/noded/offload_service.h"
#include "cluster-services/noded/peer_control.h"
#include "cluster-services/noded/requests.h"
#include "cluster-services/noded/run_service.h"
#include "cluster-services/noded/trace_requests.h"
#include "cluster-services/noded/unserved_requests.h"
#include "cluster-services/noded/upgrade_service.h"

namespace {

k42::noded::Options Parse(int argc, char** argv) {
  k42::noded::Options options;
  CLI::App app("The companion of a K42 node: its link, its peers, its place in the cluster.");
  app.add_option("--cluster", options.cluster, "name of the cluster")->required();
  app.add_option("--node", options.node, "number of the node, from 1")
      ->required()
      ->check(CLI::Range(1u, k42::view::kMaxNode));
  app.add_option("--folder", options.folder, "where link.sock is")->required();
  app.add_option("--etcd", options.etcd, "endpoints of the store, HOST:PORT,...");
  app.add_option("--members", options.members, "folder of members, instead of a store (tests)");
  app.add_option("--transport", options.transport, "shm, tcp or ucx")
      ->check(CLI::IsMember({"shm", "tcp", "ucx"}));
  app.add_flag("--one-sided", options.one_sided,
               "with ucx: let RDMA NICs put and get by themselves; whoever reaches this daemon by "
               "UCX is then "
               "trusted with all of its memory");
  app.add_option("--cpus", options.cpus, "CPUs of the guest")->check(CLI::Range(1, 64));
  app.add_option("--seed", options.seed, "of injected faults");
  app.add_option("--module-keys", options.module_keys,
                 "folder of public keys (*.pem) whose signatures on modules count");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return options;
}

// A node has one daemon: two would take each other's sockets away, and both would write its rings.
// Held until this process ends. A predecessor that was told to end may need a moment for it. None:
// it has been said why.
k42::interconnect::UniqueFd LockFolder(const std::string& folder) {
  const std::string path = folder + "/noded.lock";
  k42::interconnect::UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  constexpr std::chrono::milliseconds kPredecessorEnds{2000}, kLookAgain{50};
  const auto until = std::chrono::steady_clock::now() + kPredecessorEnds;
  while (file && flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(kLookAgain);
    } else if (errno == EWOULDBLOCK) {
      spdlog::error("{} has a daemon already; this one ends", folder);
      return {};
    } else if (errno != EINTR) {
      file.Reset();
    }
  }
  if (!file)
    spdlog::error("{}: {}", path, std::strerror(errno));
  return file;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace k42;
  const noded::Options options = Parse(argc, argv);
  if (options.one_sided)
    interconnect::UcxWorker::PrepareProcess();
  spdlog::set_pattern("%H:%M:%S.%e n" + std::to_string(options.node) + " %l %v");
  spdlog::flush_on(spdlog::level::info);
  const interconnect::UniqueFd lock = LockFolder(options.folder);
  if (!lock)
    return 1;

  // Before any thread starts: all of them leave these signals to the loop.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  noded::EventLoop loop;
  interconnect::UniqueFd stop(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  loop.Watch(stop.get(), EPOLLIN, [&loop](std::uint32_t) { loop.Stop(); });

  noded::Daemon daemon(options, loop);
  auto membership = noded::MakeMembership(options, loop, daemon);
  if (membership == nullptr) {
    spdlog::error("neither --etcd nor --members: this node belongs to nobody");
    return 2;
  }
  daemon.SetMembership(std::move(membership));
  noded::ControlServer control(loop);
  noded::ServeRequests(control, daemon);
  noded::ServeFabric(control, daemon);
  noded::RunService runs(control, daemon);
  noded::TraceRequests traces(control, daemon);
  noded::UnservedRequests unserved(control, daemon);
  noded::KernelNames names(daemon);
  noded::ObjectService objects(control, daemon);
  noded::UpgradeService upgrades(control, daemon);
  std::error_code made;  // if not, listening there says why
  std::filesystem::create_directory(options.folder + "/inside", made);
  if (!control.Listen(options.folder + "/noded.sock")) {
    spdlog::error("{}/noded.sock: {}", options.folder, std::strerror(errno));
    return 1;
  }
  if (!control.Listen(options.folder + "/inside/noded.sock", noded::kAskedFromInside)) {
    spdlog::error("{}/inside/noded.sock: {}", options.folder, std::strerror(errno));
    return 1;
  }
  noded::PeerControl peers(control, daemon);
  if (std::string error; !peers.Listen(options.etcd, &error))
    spdlog::warn("other nodes' daemons cannot ask this one: {}", error);
  noded::OffloadService offload(daemon);
  loop.Run(
      [&] {
        peers.Serve();
        return daemon.Serve() + offload.Serve();
      },
      [&daemon] { return daemon.Arm(); });
  spdlog::info("stopping");
  daemon.Shutdown();
  return 0;
}
