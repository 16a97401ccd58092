// The tools' client against daemons that do not do what they should.
#include "cluster-services/control/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "cluster-services/control/run_client.h"
#include "unit/control/fake_daemon.h"

namespace k42::control {
namespace {

using std::chrono::steady_clock;

// Stopped, or a host that has lost its power: the connection is taken, and no more comes.
TEST(Client, ADaemonThatDoesNotAnswerIsUnavailable) {
  FakeDaemon daemon;
  const auto began = steady_clock::now();
  const Outcome<Json> answer = Ask(daemon.address(), {{"request", "nodes"}}, Milliseconds(200));
  EXPECT_EQ(answer.status(), Status::kUnavailable);
  EXPECT_GE(steady_clock::now() - began, Milliseconds(200));
}

TEST(Client, ARequestsBudgetIsWaitedForAsWell) {
  FakeDaemon daemon;
  const auto began = steady_clock::now();
  const Outcome<Json> answer =
      Ask(daemon.address(), {{"request", "object"}, {"budget_ms", 300}}, Milliseconds(200));
  EXPECT_EQ(answer.status(), Status::kUnavailable);
  EXPECT_GE(steady_clock::now() - began, Milliseconds(500));
}

TEST(Client, AnAnswerInPiecesIsAnAnswer) {
  FakeDaemon daemon;
  std::thread server([&] {
    const int fd = daemon.Accept();
    const std::string bytes = EncodeFrame(FrameType::kReply, R"({"node": 3})");
    SendAll(fd, bytes.substr(0, 7));
    std::this_thread::sleep_for(Milliseconds(100));
    SendAll(fd, bytes.substr(7));
    close(fd);
  });
  const Outcome<Json> answer = Ask(daemon.address(), {{"request", "status"}}, Milliseconds(20'000));
  server.join();
  ASSERT_TRUE(answer.ok()) << answer.detail();
  EXPECT_EQ(answer->value("node", 0), 3);
}

// Replaces a descriptor of this process for the life of the object.
class Redirected {
 public:
  Redirected(int fd, const char* path, int flags) : fd_(fd), before_(dup(fd)) {
    const int opened = open(path, flags);
    dup2(opened, fd);
    close(opened);
  }
  ~Redirected() {
    dup2(before_, fd_);
    close(before_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  int fd_;
  int before_;
};

// `k42ctl run -- yes </dev/zero`: output must be read although the program takes no input.
TEST(RunClient, AProgramThatReadsNothingStillWrites) {
  FakeDaemon daemon;
  bool all_sent = false;
  std::thread server([&] {
    const int fd = daemon.Accept();
    timeval limit{30, 0};  // then the client is stuck
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    all_sent = SendAll(fd, EncodeFrame(FrameType::kReply, R"({"node": 1, "pid": 5})"));
    std::this_thread::sleep_for(
        Milliseconds(300));  // meanwhile the client's input fills the socket
    const std::string output = EncodeFrame(FrameType::kOutput, std::string(64 * 1024, 'y'));
    for (int i = 0; i < 128 && all_sent; ++i) all_sent = SendAll(fd, output);
    if (all_sent)
      all_sent = SendAll(fd, EncodeFrame(FrameType::kExit, std::string("\0\x07\0\0", 4)));
    // What has been sent must not be lost by closing on top of unread input.
    shutdown(fd, SHUT_WR);
    char bytes[4096];
    while (all_sent && recv(fd, bytes, sizeof bytes, 0) > 0) {
    }
    close(fd);
  });
  Outcome<int> status(Status::kUnknown, "");
  {
    std::fflush(stdout);
    Redirected input(STDIN_FILENO, "/dev/zero", O_RDONLY);
    Redirected output(STDOUT_FILENO, "/dev/null", O_WRONLY);
    const RunSpec spec{.argv = {"yes"}, .environment = {}, .directory = {}};
    status = RunProcesses(spec, {{daemon.address(), ""}});
    std::fflush(stdout);
  }
  server.join();
  EXPECT_TRUE(all_sent);
  ASSERT_TRUE(status.ok()) << status.detail();
  EXPECT_EQ(status.value(), 7);
}

TEST(RunClient, ADaemonThatStartsNothingIsNotWaitedForForEver) {
  FakeDaemon daemon;
  const RunSpec spec{.argv = {"true"},
                     .environment = {},
                     .directory = {},
                     .input = false,
                     .start_limit = Milliseconds(200)};
  const auto began = steady_clock::now();
  const Outcome<int> status = RunProcesses(spec, {{daemon.address(), "n1"}});
  EXPECT_GE(steady_clock::now() - began, Milliseconds(200));
  ASSERT_TRUE(status.ok()) << status.detail();
  EXPECT_EQ(status.value(), 255);
}

}  // namespace
}  // namespace k42::control
