#include "cluster-services/ctl/mpi_command.h"

#include <algorithm>
#include <charconv>

#include "cluster-services/control/places.h"

namespace k42::ctl {
namespace {

constexpr std::uint32_t kMostRanks = 4096;
constexpr const char* kFabric = "10.42.0.0/16";
constexpr const char* kHost = "k42-host";
constexpr const char* kAgent = "k42-rsh";
constexpr const char* kNodePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string Hosts(const MpiJob& job) {
  std::string hosts;
  for (const auto& [node, ranks] : job.places) {
    hosts += hosts.empty() ? "" : ",";
    hosts += "n" + std::to_string(node) + ":" + std::to_string(ranks);
  }
  return hosts;
}

// The agent by its name alone: orted, too, looks for it, at another path than the launcher's.
// TCP between nodes, shared memory within one; daemons start and speak over the fabric, or, with
// the launcher on the host, by whatever of the host's addresses the nodes reach.
std::vector<std::string> OpenMpi(const MpiJob& job, const std::string& ranks) {
  std::vector<std::string> words = {"mpirun.openmpi", "--allow-run-as-root", "--oversubscribe"};
  const auto set = [&words](const char* name, const std::string& value) {
    words.insert(words.end(), {"--mca", name, value});
  };
  set("plm_rsh_agent", kAgent);
  set("plm_rsh_no_tree_spawn", "1");
  set("routed", "direct");
  set("pml", "ob1");
  set("btl", "tcp,vader,self");
  set("btl_tcp_if_include", kFabric);
  if (!job.from_host)
    set("oob_tcp_if_include", kFabric);
  words.insert(words.end(), {"--wdir", job.directory, "--host", Hosts(job), "-np", ranks});
  return words;
}

std::vector<std::string> Mpich(const MpiJob& job, const std::string& ranks) {
  const std::string rsh = job.programs + "/" + kAgent;
  std::vector<std::string> words = {
      "mpiexec.hydra", "-launcher", "rsh", "-launcher-exec", rsh, "-wdir", job.directory, "-hosts",
      Hosts(job),      "-n",        ranks};
  // Proxies call back the name that the launcher has for itself.
  if (job.from_host)
    words.insert(words.begin() + 1, {"-localhost", kHost});
  return words;
}

bool Plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_./:,=+@%").find(c) != std::string_view::npos;
}

std::string Quoted(const std::string& word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), Plain))
    return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

MpiCommand CommandOf(const MpiJob& job) {
  std::uint32_t ranks = 0;
  for (const auto& [node, count] : job.places) ranks += count;
  MpiCommand command;
  command.words =
      job.mpich ? Mpich(job, std::to_string(ranks)) : OpenMpi(job, std::to_string(ranks));
  command.words.insert(command.words.end(), job.words.begin(), job.words.end());
  command.environment = {"PATH=" + job.programs + ":" + (job.from_host ? job.path : kNodePath)};
  if (!job.from_host)
    command.environment.push_back("HOME=/root");
  return command;
}

Outcome<std::vector<std::pair<std::uint32_t, std::uint32_t>>> ParsePlaces(const std::string& text) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> places;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string one = text.substr(at, end - at);
    at = end + 1;
    const std::size_t colon = one.find(':');
    const std::uint32_t node = control::NodeNumber(one.substr(0, colon));
    std::uint32_t ranks = colon == std::string::npos ? 1 : 0;
    if (colon != std::string::npos) {
      const char* last = one.data() + one.size();
      const auto [rest, error] = std::from_chars(one.data() + colon + 1, last, ranks);
      if (error != std::errc() || rest != last)
        ranks = 0;
    }
    if (node == 0 || ranks == 0 || ranks > kMostRanks)
      return {Status::kInvalidArgument, "'" + one + "' is no place for ranks (n1:2,n2:2)"};
    for (const auto& [taken, count] : places) {
      if (taken == node)
        return {Status::kInvalidArgument, "n" + std::to_string(node) + " is named twice"};
    }
    places.emplace_back(node, ranks);
  }
  return places;
}

std::string Text(const MpiCommand& command) {
  std::string text;
  for (const auto* words : {&command.environment, &command.words}) {
    for (const std::string& word : *words) text += (text.empty() ? "" : " ") + Quoted(word);
  }
  return text;
}

}  // namespace k42::ctl
