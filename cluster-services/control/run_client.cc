// One loop over poll(): our input, our signals, and every process's connection.
//
// States of a process:  asked -> running (kReply) -> ended (kExit, kFailed, connection gone)
//                       asked -> ended (no kReply within start_limit)
#include "cluster-services/control/run_client.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <list>

#include "cluster-services/control/client.h"

namespace k42::control {
namespace {

constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
constexpr int kConnectionLost = 255;  // as ssh says it

std::string Word(std::uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

std::uint32_t ReadWord(const std::string& bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4 && i < bytes.size(); ++i)
    value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << 8 * i;
  return value;
}

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR && errno != EAGAIN)
      return;  // our reader has gone; the process learns by its own writes when we end
    if (count > 0)
      bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

int ShellStatus(std::uint32_t wait_status) {
  const int status = static_cast<int>(wait_status);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Our terminal in raw mode, for the life of the object.
class RawTerminal {
 public:
  explicit RawTerminal(bool wanted) : raw_(wanted && tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!raw_)
      return;
    termios raw = before_;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~RawTerminal() {
    if (raw_)
      tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool raw_;
};

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{5};  // for programs to end by the signal we passed on
Clock::time_point Now() {
  return Clock::now();
}

class Runner {
 public:
  explicit Runner(const RunSpec& spec) : spec_(spec), input_open_(spec.input) {
    sigset_t set;
    sigemptyset(&set);
    for (int number : kForwarded) sigaddset(&set, number);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, &before_);
    signals_ = signalfd(-1, &set, SFD_CLOEXEC);
  }
  ~Runner() {
    close(signals_);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  Outcome<Done> Start(const RunPlace& place) {
    Outcome<Channel> channel = Channel::Open(place.address, kAnswerLimit);
    if (!channel.ok())
      return Outcome<Done>::From(channel);
    Json request{{"request", "run"},           {"argv", spec_.argv}, {"env", spec_.environment},
                 {"terminal", spec_.terminal}, {"uid", getuid()},    {"gid", getgid()}};
    if (!place.node.empty())
      request["node"] = place.node;
    if (spec_.terminal)
      AddTerminal(request);
    if (!spec_.directory.empty())
      request["cwd"] = spec_.directory;
    if (!channel.value().Send(FrameType::kRequest, request.dump()))
      return {Status::kEndpointDown, "the daemon does not listen"};
    processes_.push_back(
        {std::move(channel.value()), place.node, processes_.empty(), Now() + spec_.start_limit});
    if (!spec_.input || processes_.size() > 1)
      processes_.back().channel.Send(FrameType::kInput, "");
    return Done{};
  }

  Outcome<int> Run() {
    RawTerminal raw(spec_.terminal);
    while (!processes_.empty()) {
      if (ended_by_ != 0 && Now() >= give_up_)
        return 128 + ended_by_;  // our connections close, so the daemon abandons what still runs
      // A program that does not read its input must not keep us from reading its output: more input
      // is taken when the last piece has gone.
      const bool input = input_open_ && !InputWaits();
      std::vector<pollfd> polled = {{signals_, POLLIN, 0}, {input ? STDIN_FILENO : -1, POLLIN, 0}};
      for (Process& process : processes_) {
        const short out = process.channel.Unsent() != 0 ? POLLOUT : 0;
        polled.push_back({process.channel.descriptor(), static_cast<short>(POLLIN | out), 0});
      }
      if (poll(polled.data(), polled.size(), PollTime()) < 0 && errno != EINTR)
        return {Status::kIoError, std::strerror(errno)};
      if (polled[0].revents != 0)
        ForwardSignal();
      if (polled[1].revents != 0)
        ForwardInput();
      std::size_t i = 2;
      for (auto process = processes_.begin(); process != processes_.end(); ++i) {
        if ((polled[i].revents & POLLOUT) != 0)
          (void)process->channel.Flush();  // if it is gone, reading says so
        const bool ended = (polled[i].revents & ~POLLOUT) != 0 && !Relay(*process);
        process = ended ? processes_.erase(process) : std::next(process);
      }
      EndSilent();
    }
    if (!failure_.ok())
      return Outcome<int>::From(failure_);
    return status_;
  }

 private:
  struct Process {
    Channel channel;
    std::string node;
    bool first;
    Clock::time_point due;  // when it runs, or is given up
    bool answered = false;
  };

  // A daemon that takes the connection and then stands still.
  void EndSilent() {
    for (auto process = processes_.begin(); process != processes_.end();) {
      if (process->answered || Now() < process->due) {
        ++process;
        continue;
      }
      WriteAll(STDERR_FILENO, "k42: " + Where(*process) + "the daemon does not answer\n");
      Ended(kConnectionLost);
      process = processes_.erase(process);
    }
  }

  // False: it has ended.
  bool Relay(Process& process) {
    const bool alive = process.channel.Receive();
    while (auto frame = process.channel.Next()) {
      process.answered = true;
      interrupted_ = false;
      switch (frame->type) {
        case FrameType::kOutput:
          WriteAll(STDOUT_FILENO, frame->payload);
          break;
        case FrameType::kErrorOutput:
          WriteAll(STDERR_FILENO, frame->payload);
          break;
        case FrameType::kExit:
          Ended(ShellStatus(ReadWord(frame->payload)));
          return false;
        case FrameType::kFailed: {
          const Outcome<Json> answer = AnswerOf(*frame);
          failure_ = Outcome<Done>(answer.status(), Where(process) + answer.detail());
          Ended(kConnectionLost);
          return false;
        }
        default:
          break;  // the reply that it runs; frames of a newer daemon
      }
    }
    if (alive)
      return true;
    WriteAll(STDERR_FILENO, "k42: " + Where(process) + "connection to the node is lost\n");
    Ended(kConnectionLost);
    return false;
  }

  static std::string Where(const Process& process) {
    return process.node.empty() ? "" : process.node + ": ";
  }

  void Ended(int status) {
    if (status_ == 0)
      status_ = status;
  }

  bool InputWaits() const {
    return std::any_of(processes_.begin(), processes_.end(), [](const Process& process) {
      return process.first && process.channel.Unsent() != 0;
    });
  }

  void ForwardInput() {
    char bytes[32 * 1024];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
      return;
    if (count <= 0)
      input_open_ = false;
    for (Process& process : processes_) {
      if (process.first)
        (void)process.channel.SendLater(
            FrameType::kInput,
            std::string_view(bytes, count > 0 ? static_cast<std::size_t>(count) : 0));
    }
  }

  void ForwardSignal() {
    signalfd_siginfo info{};
    if (read(signals_, &info, sizeof info) != sizeof info)
      return;
    if (info.ssi_signo == SIGWINCH)
      return SendWindow();
    // Whoever tells us to end means it, whatever the programs or their nodes do about it.
    if (ended_by_ == 0 && (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP)) {
      ended_by_ = static_cast<int>(info.ssi_signo);
      give_up_ = Now() + kPatience;
    }
    if (ended_by_ == 0 && info.ssi_signo == SIGINT) {
      // Nobody to pass it on to yet, or nobody who has said anything since the last one.
      const bool none = std::none_of(processes_.begin(), processes_.end(),
                                     [](const Process& one) { return one.answered; });
      if (none || interrupted_) {
        ended_by_ = SIGINT;
        give_up_ = Now();
      }
      interrupted_ = true;
    }
    for (Process& process : processes_)
      (void)process.channel.SendLater(FrameType::kSignal, Word(info.ssi_signo));
  }

  int PollTime() const {
    Clock::time_point until = ended_by_ != 0 ? give_up_ : Clock::time_point::max();
    for (const Process& process : processes_) {
      if (!process.answered)
        until = std::min(until, process.due);
    }
    if (until == Clock::time_point::max())
      return -1;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Now());
    return static_cast<int>(std::max<std::int64_t>(0, left.count() + 1));
  }

  // What a program wants to know of our terminal before it starts.
  void AddTerminal(Json& request) const {
    winsize size{};
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
      request["rows"] = size.ws_row;
      request["columns"] = size.ws_col;
    }
    const char* kind = std::getenv("TERM");
    if (kind != nullptr)
      request["env"].insert(request["env"].begin(), std::string("TERM=") + kind);
  }

  void SendWindow() {
    winsize size{};
    if (!spec_.terminal || ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0)
      return;
    for (Process& process : processes_)
      (void)process.channel.SendLater(FrameType::kWindow, Word(size.ws_row) + Word(size.ws_col));
  }

  const RunSpec& spec_;
  bool input_open_;
  int signals_ = -1;
  sigset_t before_{};
  std::list<Process> processes_;
  Outcome<Done> failure_{Done{}};
  int status_ = 0;
  int ended_by_ = 0;          // the signal that ends us
  bool interrupted_ = false;  // and nobody has said anything since
  Clock::time_point give_up_;
};

}  // namespace

Outcome<int> RunProcesses(const RunSpec& spec, const std::vector<RunPlace>& places) {
  Runner runner(spec);
  for (const RunPlace& place : places) {
    const Outcome<Done> started = runner.Start(place);
    if (!started.ok())
      return Outcome<int>::From(started);
  }
  return runner.Run();
}

}  // namespace k42::control
