// What a confined process can still do, and what it dies of.
#include "cluster-services/offload/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace k42::offload {
namespace {

constexpr int kRefused = 77;

// The end of a child that confines itself and then does `work`, as waitpid tells it.
int EndOf(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    std::string error;
    if (!Confine("/tmp", &error))
      _exit(kRefused);
    _exit(work());
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

void ExpectKilled(const std::function<int()>& work) {
  const int status = EndOf(work);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) << std::hex << status;
}

TEST(Confine, SocketsToOutsideWork) {
  const int status = EndOf([] {
    const int stream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int local = socket(AF_UNIX, SOCK_STREAM, 0);
    return stream >= 0 && local >= 0 && close(stream) == 0 ? 0 : 1;
  });
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Confine, AnythingElseKills) {
  ExpectKilled([] { return static_cast<int>(syscall(SYS_openat, AT_FDCWD, "/", 0)); });
  ExpectKilled([] { return static_cast<int>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); });
  ExpectKilled([] { return static_cast<int>(syscall(SYS_execve, "/bin/true", nullptr, nullptr)); });
  ExpectKilled([] { return static_cast<int>(syscall(SYS_ptrace, 0, 0, 0, 0)); });
  ExpectKilled([] { return socket(AF_INET, SOCK_DGRAM, 0); });
  ExpectKilled([] { return socket(AF_INET, SOCK_RAW, 6); });
  ExpectKilled([] { return socket(AF_NETLINK, SOCK_STREAM, 0); });
  ExpectKilled([] { return static_cast<int>(syscall(SYS_bind, 0, nullptr, 0)); });
  ExpectKilled([] {
    return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? 1
               : 0;
  });
}

TEST(Confine, AFolderThatIsNotThere) {
  const pid_t child = fork();
  if (child == 0) {
    std::string error;
    _exit(!Confine("/no/such/folder", &error) && !error.empty() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace k42::offload
