// The job runs in a child process (a run of the launcher on the first node, or the launcher itself
// here); this one watches the members of the cluster meanwhile.
#include "cluster-services/ctl/mpirun.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "cluster-services/ctl/mpi_command.h"
#include "cluster-services/ctl/questions.h"

namespace k42::ctl {
namespace {

using Lives = std::map<std::uint32_t, std::uint64_t>;  // node -> incarnation

constexpr int kLookMs = 1000;
// From the word to the launcher until it is killed.
constexpr int kGraceMs = 3000;
// How long a job's failure may come before the view in which its reason shows.
constexpr int kReasonLooks = 8;
constexpr const char* kNodePrograms = "/opt/k42/bin";
constexpr const char* kShare = "/cluster";

Outcome<Lives> Members(const control::Cluster& cluster) {
  const auto answer = AskCluster(cluster, 0, {{"request", "nodes"}});
  if (!answer.ok())
    return Outcome<Lives>::From(answer);
  Lives lives;
  for (const auto& node : answer->value("nodes", nlohmann::json::array()))
    lives[node.value("node", 0u)] = node.value("incarnation", std::uint64_t{0});
  return lives;
}

// A node of the job that is another one by now, or none; 0: all are there, or nobody can say.
std::uint32_t Left(const control::Cluster& cluster, const Lives& before) {
  const Outcome<Lives> now = Members(cluster);
  if (!now.ok())
    return 0;
  for (const auto& [node, incarnation] : before) {
    const auto found = now->find(node);
    if (found == now->end() || found->second != incarnation)
      return node;
  }
  return 0;
}

// The job's process, which dies with this one.
class Job {
 public:
  explicit Job(pid_t child) : child_(child) {}
  pid_t child() const { return child_; }
  bool ended() {
    if (!ended_ && waitpid(child_, &status_, WNOHANG) == child_)
      ended_ = true;
    return ended_;
  }
  int status() const {
    return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
  }
  void Signal(int number) {
    if (!ended_)
      kill(child_, number);
  }

 private:
  const pid_t child_;
  bool ended_ = false;
  int status_ = 0;
};

// Never returns in the child.
pid_t StartChild(const control::Cluster& cluster, const MpiOptions& options,
                 const MpiCommand& command, std::uint32_t first, const sigset_t& mask) {
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child != 0)
    return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent)
    _exit(1);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  const auto socket = cluster.SocketFor(first);
  if (!socket.ok())
    _exit(Complain(socket.detail()));
  if (options.from_host) {
    // The launcher's k42-rsh takes no --cluster: this daemon passes on what is for other nodes.
    setenv("K42_CONTROL", socket->c_str(), 1);
    for (const auto* pairs : {&command.environment, &options.run.spec.environment}) {
      for (const std::string& pair : *pairs) {
        const std::size_t equals = pair.find('=');
        setenv(pair.substr(0, equals).c_str(),
               equals == std::string::npos ? "" : pair.c_str() + equals + 1, 1);
      }
    }
    std::vector<char*> words;
    for (const std::string& word : command.words) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execvp(words[0], words.data());
    _exit(Complain(command.words[0] + ": " + std::strerror(errno)));
  }
  control::RunSpec spec = options.run.spec;
  spec.argv = command.words;
  spec.environment = command.environment;
  spec.environment.insert(spec.environment.end(), options.run.spec.environment.begin(),
                          options.run.spec.environment.end());
  spec.directory = "/";  // the ranks' folder is the launcher's business
  const auto status = control::RunProcesses(spec, {{socket.value(), "n" + std::to_string(first)}});
  const int code = status.ok() ? status.value() : Complain(status.detail());
  std::fflush(nullptr);
  _exit(code);
}

int Watch(const control::Cluster& cluster, Job& job, const Lives& lives, int signals) {
  std::uint32_t left = 0;
  int grace = 0;
  while (!job.ended()) {
    pollfd polled{signals, POLLIN, 0};
    if (poll(&polled, 1, kLookMs) > 0) {
      signalfd_siginfo info{};
      // What a terminal sends (SI_KERNEL) the job's process has got itself.
      if (read(signals, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD &&
          info.ssi_code != SI_KERNEL)
        job.Signal(static_cast<int>(info.ssi_signo));
      continue;
    }
    if (left != 0) {
      grace += kLookMs;
      if (grace >= kGraceMs)
        job.Signal(SIGKILL);
      continue;
    }
    left = Left(cluster, lives);
    if (left != 0) {
      Complain("n" + std::to_string(left) + " has left the cluster: the job is over");
      job.Signal(SIGTERM);
    }
  }
  if (left != 0)
    return 1;
  if (job.status() == 0)
    return 0;
  for (int look = 0; look < kReasonLooks && left == 0; ++look) {
    left = Left(cluster, lives);
    if (left == 0)
      poll(nullptr, 0, kLookMs / 2);
  }
  if (left != 0)
    return Complain("n" + std::to_string(left) + " has left the cluster under the job");
  return job.status();
}

std::string OwnFolder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace

int Mpirun(const control::Cluster& cluster, const MpiOptions& options) {
  MpiJob mpi;
  mpi.mpich = options.mpich;
  mpi.from_host = options.from_host;
  mpi.programs = options.from_host ? OwnFolder() : kNodePrograms;
  if (const char* path = std::getenv("PATH"); path != nullptr)
    mpi.path = path;
  mpi.words = options.run.spec.argv;
  mpi.directory = options.run.spec.directory.empty() ? kShare : options.run.spec.directory;
  if (options.nodes.empty()) {
    const auto placed = PlaceProcesses(cluster, options.run);
    if (!placed.ok())
      return Complain(placed.detail());
    std::map<std::uint32_t, std::uint32_t> counts;
    for (const std::uint32_t node : placed.value()) ++counts[node];
    mpi.places.assign(counts.begin(), counts.end());
  } else {
    const auto places = ParsePlaces(options.nodes);
    if (!places.ok())
      return Complain(places.detail());
    mpi.places = places.value();
    std::uint64_t ranks = 0;
    for (const auto& [node, count] : mpi.places) ranks += count;
    if (options.counted && ranks != options.run.processes)
      return Complain("-n says " + std::to_string(options.run.processes) + " ranks, --nodes " +
                      std::to_string(ranks));
  }
  const Outcome<Lives> members = Members(cluster);
  if (!members.ok())
    return Complain(members.detail());
  Lives lives;
  for (const auto& [node, ranks] : mpi.places) {
    const auto member = members->find(node);
    if (member == members->end())
      return Complain("n" + std::to_string(node) + " is no member of the cluster now");
    lives.insert(*member);
  }
  const MpiCommand command = CommandOf(mpi);
  const std::uint32_t first = mpi.places.front().first;
  std::fprintf(stderr, "k42ctl: %s: %s\n",
               options.from_host ? "here" : ("on n" + std::to_string(first)).c_str(),
               Text(command).c_str());

  sigset_t set, before;
  sigemptyset(&set);
  for (const int number : {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2})
    sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, &before);
  const int signals = signalfd(-1, &set, SFD_CLOEXEC);
  const pid_t child = StartChild(cluster, options, command, first, before);
  if (child < 0 || signals < 0)
    return Complain(std::strerror(errno));
  Job job(child);
  return Watch(cluster, job, lives, signals);
}

}  // namespace k42::ctl
