#include "cluster-services/dump/node_dump.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "cluster-services/control/client.h"
#include "cluster-services/dump/guest_ram.h"
#include "cluster-services/dump/qemu_monitor.h"

namespace k42::dump {
namespace {

using Clock = std::chrono::steady_clock;
using interconnect::UniqueFd;

constexpr Milliseconds kMonitorLimit{10'000};  // a QEMU of many CPUs on a busy host
constexpr Milliseconds kDaemonLimit{2000};

std::string NodeName(std::uint32_t node) {
  return "n" + std::to_string(node);
}

// Does it run, and not answer? One that is not there cannot make QEMU wait.
bool DaemonHangs(const std::string& folder) {
  const std::string address = "unix:" + folder + "/noded.sock";
  Outcome<control::Channel> channel = control::Channel::Open(address, kDaemonLimit);
  if (!channel.ok())
    return channel.detail().ends_with(std::strerror(EAGAIN));  // its queue is full
  return channel.value().Send(control::FrameType::kRequest, R"({"request":"status"})") &&
         channel.value().Await(kDaemonLimit).status() == Status::kUnavailable;
}

// Is this the monitor of that node? A host of a lab has one node, whichever was asked for.
Outcome<Done> CheckName(QemuMonitor& monitor, std::uint32_t node) {
  const Outcome<Json> name = monitor.Ask("query-name");
  if (!name.ok())
    return Outcome<Done>::From(name);
  const std::string text = name->value("name", "");
  if (!text.ends_with("-" + NodeName(node)))
    return {Status::kNotFound,
            "the node here is " + text + "; ask on " + NodeName(node) + "'s host"};
  return Done{};
}

// The word behind -kernel in the process's command line.
std::string KernelOf(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/cmdline");
  std::string word;
  bool next = false;
  while (std::getline(file, word, '\0')) {
    if (next)
      return word;
    next = word == "-kernel";
  }
  return {};
}

// The node does not move while this lives. Whoever interrupts this program meanwhile is heard
// afterwards: a node must not stay stopped because of a Ctrl-C.
class Standstill {
 public:
  explicit Standstill(QemuMonitor& monitor) : monitor_(monitor) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int one : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGTSTP})
      sigaddset(&signals, one);
    sigprocmask(SIG_BLOCK, &signals, &before_);
  }
  ~Standstill() {
    (void)End();
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

  Outcome<Done> Begin() {
    const Outcome<Json> status = monitor_.Ask("query-status");
    if (!status.ok())
      return Outcome<Done>::From(status);
    ran_ = status->value("running", false);
    if (!ran_)
      return Done{};
    const Outcome<Json> stopped = monitor_.Ask("stop");
    stopped_ = stopped.status() != Status::kIoError;  // not refused: it may stop later
    return stopped.ok() ? Outcome<Done>(Done{}) : Outcome<Done>::From(stopped);
  }
  Outcome<Done> End() {
    if (!std::exchange(stopped_, false))
      return Done{};
    const Outcome<Json> on = monitor_.Ask("cont");
    return on.ok() ? Outcome<Done>(Done{}) : Outcome<Done>::From(on);
  }
  bool ran() const { return ran_; }

 private:
  QemuMonitor& monitor_;
  sigset_t before_{};
  bool ran_ = true;
  bool stopped_ = false;
};

Outcome<DumpReport> DumpInto(int fd, QemuMonitor& monitor, bool may_stop) {
  DumpReport report{};
  interconnect::GuestMemory memory;
  const Outcome<Done> found = FindGuestRam(monitor, &memory);
  if (!found.ok())
    return Outcome<DumpReport>::From(found);
  Standstill standstill(monitor);
  const Clock::time_point began = Clock::now();
  if (may_stop) {
    const Outcome<Done> stopped = standstill.Begin();
    if (!stopped.ok())
      return Outcome<DumpReport>::From(stopped);
  }
  const Outcome<std::string> text = monitor.Human("info registers -a");
  if (!text.ok())
    return Outcome<DumpReport>::From(text);
  const Outcome<std::vector<CpuRegisters>> cpus = ParseRegisters(text.value());
  if (!cpus.ok())
    return Outcome<DumpReport>::From(cpus);
  const CpuRegisters* paging = nullptr;
  for (const CpuRegisters& cpu : cpus.value())
    paging = paging == nullptr && cpu.long_mode() ? &cpu : paging;
  if (paging == nullptr)
    return {Status::kUnavailable, "the kernel has not come so far that there is anything to see"};
  const Outcome<std::vector<Mapping>> mappings = WalkKernelHalf(memory, paging->cr3);
  if (!mappings.ok())
    return Outcome<DumpReport>::From(mappings);
  const Outcome<CoreSize> size = WriteCore(fd, cpus.value(), mappings.value(), memory);
  if (!size.ok())
    return Outcome<DumpReport>::From(size);
  const Outcome<Done> on = standstill.End();
  if (!on.ok())
    return Outcome<DumpReport>::From(on);
  report.milliseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<Milliseconds>(Clock::now() - began).count());
  report.cpus = cpus->size();
  report.size = size.value();
  report.stood_still = may_stop;
  report.goes_on = standstill.ran();
  report.kernel = KernelOf(monitor.process());
  return report;
}

}  // namespace

Outcome<DumpReport> DumpNode(const std::string& folder, std::uint32_t node,
                             const std::string& file) {
  Outcome<QemuMonitor> monitor = QemuMonitor::Open(folder + "/qmp.sock", kMonitorLimit);
  if (!monitor.ok()) {
    const std::string what = monitor.status() == Status::kNotFound ? " does not run" : "";
    return {monitor.status(), NodeName(node) + what + ": " + monitor.detail()};
  }
  const Outcome<Done> name = CheckName(monitor.value(), node);
  if (!name.ok())
    return Outcome<DumpReport>::From(name);
  // The node's memory is in it: passwords, keys. And it may be somebody else's file, or a device.
  UniqueFd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0)
    return {Status::kIoError, file + ": " + std::strerror(errno)};
  if (!S_ISREG(status.st_mode))
    return {Status::kInvalidArgument, file + " is no file: a core needs one with holes"};
  if (fchmod(fd.get(), 0600) != 0 || ftruncate(fd.get(), 0) != 0)
    return {Status::kIoError, file + ": " + std::strerror(errno)};
  Outcome<DumpReport> report = DumpInto(fd.get(), monitor.value(), !DaemonHangs(folder));
  if (!report.ok()) {
    unlink(file.c_str());
    return {report.status(), NodeName(node) + ": " + report.detail()};
  }
  return report;
}

}  // namespace k42::dump
