// Which silent QEMUs are told to quit, by what their monitors say.
#include "cluster-services/noded/deaf_qemu.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>

namespace k42::noded {
namespace {

// A monitor that answers what it is asked, one connection after the other. Of `states` each is told
// once, the last one ever after.
class FakeMonitor {
 public:
  explicit FakeMonitor(std::vector<std::string> states) : states_(std::move(states)) {
    char folder[] = "/tmp/k42-qmp-XXXXXX";
    folder_ = mkdtemp(folder);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 4), 0);
    thread_ = std::thread([this] {
      for (int fd = 0; (fd = accept(listener_, nullptr, nullptr)) >= 0; close(fd)) Serve(fd);
    });
  }
  ~FakeMonitor() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/qmp.sock"; }
  unsigned asked() const { return asked_.load(); }
  bool told_to_quit() const { return quit_.load(); }

 private:
  static void Say(int fd, const std::string& line) {
    EXPECT_EQ(send(fd, line.data(), line.size(), MSG_NOSIGNAL), static_cast<ssize_t>(line.size()));
  }
  void Serve(int fd) {
    Say(fd, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
    std::string line;
    for (char c = 0; read(fd, &c, 1) == 1;) {
      line += c;
      if (c != '\n')
        continue;
      if (line.find("query-status") != std::string::npos) {
        const std::string& state = states_[std::min<std::size_t>(asked_, states_.size() - 1)];
        const bool runs = state == "running";
        Say(fd, std::string("{\"return\": {\"running\": ") + (runs ? "true" : "false") +
                    ", \"status\": \"" + state + "\"}}\r\n");
        ++asked_;
      } else {
        if (line.find("quit") != std::string::npos)
          quit_.store(true);
        Say(fd, "{\"return\": {}}\r\n");
      }
      line.clear();
    }
  }

  std::string folder_;
  const std::vector<std::string> states_;
  std::atomic<unsigned> asked_{0};
  std::atomic<bool> quit_{false};
  int listener_ = -1;
  std::thread thread_;
};

struct Seen {
  bool quit;
  std::string log;
};

// What becomes of a QEMU that stays silent while its monitor tells these states.
Seen Watch(const std::vector<std::string>& states) {
  FakeMonitor monitor(states);
  std::ostringstream log;
  const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log);
  spdlog::default_logger()->sinks().push_back(sink);
  {
    EventLoop loop;
    DeafQemu deaf(monitor.path(), loop, [] { return true; });
    std::uint64_t now = 1;
    const auto enough = [&] { return monitor.told_to_quit() || monitor.asked() > states.size(); };
    loop.Run(
        [&]() -> std::size_t {
          deaf.Look(now += 500'000'000);
          if (enough())
            loop.Stop();
          return 0;
        },
        [] { return 1; });
  }
  spdlog::default_logger()->sinks().pop_back();
  return {monitor.told_to_quit(), log.str()};
}

TEST(DeafQemu, OneThatRunsIsToldToQuit) {
  EXPECT_TRUE(Watch({"running"}).quit);
}

TEST(DeafQemu, OneWhoseGuestMayGoOnIsLeftAlone) {
  for (const char* state : {"paused", "debug", "prelaunch", "save-vm"})
    EXPECT_FALSE(Watch({state}).quit) << state;
}

TEST(DeafQemu, OneWhoseGuestNeverGoesOnIsToldToQuit) {
  for (const char* state : {"internal-error", "io-error", "guest-panicked", "shutdown"})
    EXPECT_TRUE(Watch({state}).quit) << state;
}

TEST(DeafQemu, WhyItIsLeftAloneIsSaidWhenItChanges) {
  const std::string log = Watch({"paused", "paused", "debug", "debug"}).log;
  const auto first = log.find("stopped: paused");
  ASSERT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("stopped: paused", first + 1), std::string::npos) << log;
  EXPECT_NE(log.find("stopped: debug"), std::string::npos) << log;
}

}  // namespace
}  // namespace k42::noded
