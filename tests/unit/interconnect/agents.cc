// Where agents come from: forked here, or by a host that is dialled.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "unit/interconnect/node_agent.h"

namespace k42::interconnect {
namespace {

void NoDelay(int socket) {
  const int one = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

// This program again, as the agent of `socket`.
[[noreturn]] void BecomeAgent(int socket) {
  const std::string word = "--node-agent=" + std::to_string(dup(socket));
  execl("/proc/self/exe", "node-agent", word.c_str(), nullptr);
  _exit(127);
}

}  // namespace

Agents::Connection ForkedAgents::Connect() const {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return {};
  const pid_t child = fork();
  if (child == 0)
    BecomeAgent(ends[1]);
  close(ends[1]);
  return {UniqueFd(ends[0]), child};
}

Agents::Connection DialledAgents::Connect() const {
  const std::size_t colon = place_.find(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, place_.substr(0, colon).c_str(), &address.sin_addr);
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoul(place_.substr(colon + 1))));
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return {};
  NoDelay(fd.get());
  return {std::move(fd), 0};
}

int ServeAgents(std::uint16_t port) {
  signal(SIGCHLD, SIG_IGN);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), 16) != 0) {
    std::perror("node agents");
    return 1;
  }
  for (;;) {
    const UniqueFd socket(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket)
      continue;
    NoDelay(socket.get());
    if (fork() == 0)
      BecomeAgent(socket.get());
  }
}

}  // namespace k42::interconnect
