#include "cluster-services/control/places.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "cluster-services/view/view.h"

namespace k42::control {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLabSocket = "/run/k42/noded.sock";
constexpr const char* kLabMonitor = "/run/k42/qmp.sock";
constexpr const char* kMonitor = "qmp.sock";
constexpr const char* kCompanion = "k42-host";
constexpr const char* kCompanionAddress = "10.42.255.254";
constexpr const char* kCompanionPort = "4242";

std::uint32_t Number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number <= view::kMaxNode
             ? number
             : 0;
}

fs::path RunRoot() {
  if (const char* run = std::getenv("K42_RUN"); run != nullptr && *run != 0)
    return run;
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime != 0)
    return fs::path(runtime) / "k42";
  return "/tmp/k42-" + std::to_string(getuid());
}

// Whoever may put a socket into the folder would be given what operators type.
bool Trusted(const fs::path& folder) {
  struct stat status {};
  return stat(folder.c_str(), &status) == 0 && status.st_uid == getuid() &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

Cluster Simulated(const fs::path& folder) {
  Cluster cluster{folder.filename(), {}};
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    const std::uint32_t node = name.starts_with('n') ? Number(name.substr(1)) : 0;
    if (node != 0 && fs::exists(entry.path() / "noded.sock", error))
      cluster.sockets[node] = "unix:" + (entry.path() / "noded.sock").string();
  }
  return cluster;
}

// What FindCluster and FindNodeFolder say alike.
Outcome<Done> NotTrusted(const fs::path& root) {
  return {Status::kPermissionDenied,
          root.string() + " belongs to somebody else or others may write to it; set K42_RUN"};
}
Outcome<Done> SeveralRun(const std::vector<std::string>& found) {
  std::string names;
  for (const std::string& one : found) names += (names.empty() ? "" : ", ") + one;
  return {Status::kInvalidArgument,
          "several clusters run here (" + names + "); choose with --cluster NAME"};
}
Outcome<Done> NoneRuns(const std::string& name) {
  return {Status::kNotFound, name.empty() ? "no cluster runs here; start one with: k42-sim up -n 2"
                                          : "no cluster " + name + " runs here"};
}

// A cluster's folder: with a node's QEMU, or what one has left.
bool HasNodes(const fs::path& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (name.starts_with('n') && Number(name.substr(1)) != 0 &&
        fs::exists(entry.path() / kMonitor, error))
      return true;
  }
  return false;
}

// A node's /etc/hosts gives the name this address; whatever a site's name server says is not it.
bool InsideANode() {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  addrinfo* found = nullptr;
  if (getaddrinfo(kCompanion, kCompanionPort, &hints, &found) != 0)
    return false;
  bool inside = false;
  for (const addrinfo* one = found; one != nullptr && !inside; one = one->ai_next) {
    char text[INET_ADDRSTRLEN] = {};
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ai_addr);
    inside = inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) != nullptr &&
             std::string_view(text) == kCompanionAddress;
  }
  freeaddrinfo(found);
  return inside;
}

// A lab's folder is its user's alone: whoever else asks is told whom to ask as.
Outcome<bool> LabHas(const char* socket) {
  std::error_code error;
  if (fs::exists(socket, error))
    return true;
  if (error != std::errc::permission_denied)
    return false;
  const std::string folder = fs::path(socket).parent_path();
  struct stat status {};
  const passwd* owner = stat(folder.c_str(), &status) == 0 ? getpwuid(status.st_uid) : nullptr;
  const std::string name = owner != nullptr ? owner->pw_name : std::to_string(status.st_uid);
  return {Status::kPermissionDenied, folder + " belongs to user " + name + ": ask as " + name};
}

}  // namespace

Outcome<std::string> Cluster::SocketFor(std::uint32_t node) const {
  if (const auto all = sockets.find(0); all != sockets.end())
    return all->second;
  if (sockets.empty())
    return {Status::kUnavailable, "no daemon of cluster " + name + " runs"};
  if (node == 0)
    return sockets.begin()->second;
  const auto found = sockets.find(node);
  if (found == sockets.end())
    return {Status::kNotFound,
            "cluster " + name + " has no node n" + std::to_string(node) + " here"};
  return found->second;
}

Outcome<Cluster> FindCluster(const std::string& name) {
  if (const char* control = std::getenv("K42_CONTROL"); control != nullptr && *control != 0)
    return Cluster{name, {{0, control}}};
  std::vector<Cluster> found;
  std::error_code error;
  const fs::path root = RunRoot();
  if (fs::exists(root, error) && !Trusted(root))
    return Outcome<Cluster>::From(NotTrusted(root));
  for (const fs::directory_entry& entry : fs::directory_iterator(root, error)) {
    if (!entry.is_directory(error) || (!name.empty() && entry.path().filename() != name))
      continue;
    Cluster cluster = Simulated(entry.path());
    if (!cluster.sockets.empty())
      found.push_back(std::move(cluster));
  }
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const Cluster& cluster : found) names.push_back(cluster.name);
    return Outcome<Cluster>::From(SeveralRun(names));
  }
  if (!found.empty())
    return std::move(found.front());
  const Outcome<bool> lab = LabHas(kLabSocket);
  if (!lab.ok())
    return Outcome<Cluster>::From(lab);
  if (lab.value())
    return Cluster{name, {{0, std::string("unix:") + kLabSocket}}};
  if (InsideANode())
    return Cluster{name, {{0, std::string("tcp:") + kCompanionAddress + ":" + kCompanionPort}}};
  return Outcome<Cluster>::From(NoneRuns(name));
}

Outcome<std::string> FindNodeFolder(const std::string& cluster, std::uint32_t node) {
  constexpr std::string_view kUnix = "unix:";
  const char* control = std::getenv("K42_CONTROL");
  if (control != nullptr && std::string_view(control).starts_with(kUnix))
    return fs::path(std::string_view(control).substr(kUnix.size())).parent_path().string();
  std::error_code error;
  const fs::path root = RunRoot();
  if (fs::exists(root, error) && !Trusted(root))
    return Outcome<std::string>::From(NotTrusted(root));
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, error)) {
    if (entry.is_directory(error) && (cluster.empty() || entry.path().filename() == cluster) &&
        HasNodes(entry.path()))
      found.push_back(entry.path());
  }
  const std::string name = "n" + std::to_string(node);
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const fs::path& one : found) names.push_back(one.filename().string());
    return Outcome<std::string>::From(SeveralRun(names));
  }
  if (found.size() == 1 && fs::exists(found.front() / name / kMonitor, error))
    return (found.front() / name).string();
  if (found.size() == 1)
    return {Status::kNotFound,
            "cluster " + found.front().filename().string() + " has no node " + name + " here"};
  const Outcome<bool> lab = LabHas(kLabMonitor);
  if (!lab.ok())
    return Outcome<std::string>::From(lab);
  if (lab.value())
    return fs::path(kLabMonitor).parent_path().string();
  return Outcome<std::string>::From(NoneRuns(cluster));
}

std::uint32_t NodeNumber(const std::string& name) {
  constexpr std::string_view kPrefix = "10.42.0.";
  if (name.starts_with(kPrefix))
    return Number(std::string_view(name).substr(kPrefix.size()));
  return Number(std::string_view(name).substr(name.starts_with('n') ? 1 : 0));
}

}  // namespace k42::control
