// The monitor's client against a QEMU that does not do as it should.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "cluster-services/dump/qemu_monitor.h"

namespace k42::dump {
namespace {

// Listens; `serve` has the first connection in a thread.
class FakeQemu {
 public:
  explicit FakeQemu(std::function<void(int)> serve) {
    char folder[] = "/tmp/k42-qmp-XXXXXX";
    folder_ = mkdtemp(folder);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path().c_str());
    listener_ = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    if (serve == nullptr)
      return;  // it is stopped: connections are the host's business
    thread_ = std::thread([this, serve] {
      const int fd = accept(listener_, nullptr, nullptr);
      serve(fd);
      close(fd);
    });
  }
  ~FakeQemu() {
    shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable())
      thread_.join();
    close(listener_);
    std::filesystem::remove_all(folder_);
  }
  std::string path() const { return folder_ + "/qmp.sock"; }

 private:
  std::string folder_;
  int listener_ = -1;
  std::thread thread_;
};

void Say(int fd, const std::string& line) {
  EXPECT_EQ(write(fd, line.data(), line.size()), static_cast<ssize_t>(line.size()));
}
std::string Hear(int fd) {
  std::string line;
  for (char c = 0; read(fd, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}
constexpr Milliseconds kLong{20'000};
constexpr const char* kGreeting = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";

TEST(QemuMonitor, AnswersAreToldFromEvents) {
  std::string asked;
  {
    FakeQemu qemu([&](int fd) {
      Say(fd, kGreeting);
      Hear(fd);
      Say(fd, "{\"return\": {}}\r\n{\"event\": \"STOP\", \"data\": {}}\r\n");
      asked = Hear(fd);
      Say(fd, "{\"event\": \"RESUME\"}\r\n{\"return\": \"two\\r");
      Say(fd, "\\nlines\"}\r\n");
      Hear(fd);
      Say(fd, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}}\r\n");
      Hear(fd);
      Say(fd, "what?\n");
    });
    auto monitor = QemuMonitor::Open(qemu.path(), kLong);
    ASSERT_TRUE(monitor.ok()) << monitor.detail();
    EXPECT_EQ(monitor->process(), getpid());
    const auto text = monitor.value().Human("info registers -a");
    ASSERT_TRUE(text.ok()) << text.detail();
    EXPECT_EQ(text.value(), "two\r\nlines");
    const auto refused = monitor.value().Ask("stop");
    EXPECT_EQ(refused.status(), Status::kIoError);
    EXPECT_EQ(refused.detail(), "stop: no such thing");
    EXPECT_EQ(monitor.value().Ask("stop").status(), Status::kCorrupt);
    EXPECT_EQ(monitor.value().Ask("stop").status(), Status::kNotFound);  // closed
  }
  EXPECT_EQ(Json::parse(asked), (Json{{"execute", "human-monitor-command"},
                                      {"arguments", {{"command-line", "info registers -a"}}}}));
}

TEST(QemuMonitor, ASilentOneIsUnavailableInTime) {
  const FakeQemu stopped(nullptr);
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(QemuMonitor::Open(stopped.path(), Milliseconds(200)).status(), Status::kUnavailable);
  EXPECT_GE(std::chrono::steady_clock::now() - began, Milliseconds(200));
  const FakeQemu hangs([](int fd) {
    Say(fd, kGreeting);
    Hear(fd);
    Hear(fd);  // until the client has gone
  });
  EXPECT_EQ(QemuMonitor::Open(hangs.path(), Milliseconds(200)).status(), Status::kUnavailable);
}

TEST(QemuMonitor, NobodyThereIsNotFound) {
  std::string left_behind;
  {
    left_behind = FakeQemu([](int) {}).path();
  }
  EXPECT_EQ(QemuMonitor::Open(left_behind, kLong).status(), Status::kNotFound);
  EXPECT_EQ(QemuMonitor::Open("/tmp/" + std::string(200, 'x'), kLong).status(),
            Status::kNameTooLong);
}

}  // namespace
}  // namespace k42::dump
