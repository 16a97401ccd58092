// A listening Unix socket in a folder of its own, for tests that play the daemon.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "cluster-services/control/frame.h"

namespace k42::control {

class FakeDaemon {
 public:
  FakeDaemon() {
    char name[] = "/tmp/k42-control-test-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/noded.sock";
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path_.c_str());
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_, 4), 0);
  }
  ~FakeDaemon() {
    close(listener_);
    std::filesystem::remove_all(folder_);
  }
  std::string address() const { return "unix:" + path_; }
  // A connection; the caller closes it.
  int Accept() const { return accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); }

 private:
  std::string folder_;
  std::string path_;
  int listener_ = -1;
};

// False: the socket's time is over, or the client is gone.
inline bool SendAll(int fd, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0)
      return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace k42::control
