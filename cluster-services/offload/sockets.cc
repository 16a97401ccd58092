#include "cluster-services/offload/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "cluster-services/offload/targets.h"

namespace k42::offload {
namespace {

int Start(int fd, const void* address, socklen_t size) {
  return connect(fd, static_cast<const sockaddr*>(address), size);
}

}  // namespace

Status StatusOf(int error) {
  switch (error) {
    case EAGAIN:
    case EINTR:
      return Status::kWouldBlock;
    case ECONNREFUSED:
    case ENOENT:  // the control socket of a daemon that is away
      return Status::kConnectionRefused;
    case ETIMEDOUT:
      return Status::kTimedOut;
    case ECONNRESET:
    case EPIPE:
      return Status::kConnectionReset;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      return Status::kUnreachable;
    case EACCES:
    case EPERM:
      return Status::kPermissionDenied;
    case EMFILE:
    case ENFILE:
      return Status::kLimitExceeded;
    case EADDRNOTAVAIL:
      return Status::kAddressUnavailable;
    case ENOMEM:
    case ENOBUFS:
      return Status::kNoMemory;
    default:
      return Status::kIoError;
  }
}

Status Sockets::Connect(Number number, const abi::OffloadAddress& address) {
  const Target target = TRY(TargetOf(address, denied_));
  const int family = target.control ? AF_UNIX : AF_INET;
  interconnect::UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd)
    return StatusOf(errno);
  int result = 0;
  if (target.control) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    control_.copy(name.sun_path, sizeof name.sun_path - 1);
    result = Start(fd.get(), &name, sizeof name);
  } else {
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(target.port);
    name.sin_addr.s_addr = htonl(target.internet);
    result = Start(fd.get(), &name, sizeof name);
  }
  if (result != 0 && errno != EINPROGRESS)
    return StatusOf(errno);
  sockets_[number].fd = std::move(fd);
  return Status::kOk;
}

Result<std::size_t> Sockets::Read(Number number, std::span<std::byte> into) {
  const ssize_t count = recv(sockets_.at(number).fd.get(), into.data(), into.size(), MSG_DONTWAIT);
  if (count < 0)
    return StatusOf(errno);
  return static_cast<std::size_t>(count);
}

Result<std::size_t> Sockets::Write(Number number, std::span<const std::byte> bytes) {
  const ssize_t count =
      send(sockets_.at(number).fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count < 0)
    return StatusOf(errno);
  return static_cast<std::size_t>(count);
}

void Sockets::ShutdownWrite(Number number) {
  shutdown(sockets_.at(number).fd.get(), SHUT_WR);
}

void Sockets::Close(Number number, bool reset) {
  const auto found = sockets_.find(number);
  if (found == sockets_.end())
    return;
  if (reset) {
    const linger at_once{1, 0};
    setsockopt(found->second.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  sockets_.erase(found);
}

void Sockets::Watch(Number number, bool readable, bool writable) {
  sockets_.at(number).wanted =
      static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
}

void Sockets::AddTo(std::vector<pollfd>& polled, bool reading) const {
  for (const auto& [number, one] : sockets_) {
    const short wanted = reading ? one.wanted : static_cast<short>(one.wanted & ~POLLIN);
    // Hang-ups are told unasked: who wants nothing now must not be woken by them for ever.
    polled.push_back({wanted != 0 ? one.fd.get() : -1, wanted, 0});
  }
}

void Sockets::Handle(Bridge& bridge, const std::vector<pollfd>& polled, std::size_t first) {
  // The bridge may close any of them, and open none: numbers first.
  std::vector<std::pair<Number, short>> found;
  for (const auto& [number, one] : sockets_) {
    if (first == polled.size())
      break;
    if (const short events = polled[first++].revents; events != 0)
      found.emplace_back(number, events);
  }
  for (const auto& [number, events] : found) {
    const auto one = sockets_.find(number);
    if (one == sockets_.end())
      continue;
    if (!one->second.connecting) {
      bridge.OnReady(number);
      continue;
    }
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(one->second.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      bridge.OnFailed(number, StatusOf(error));
    } else {
      one->second.connecting = false;
      one->second.wanted = POLLIN;
      bridge.OnConnected(number);
    }
  }
}

}  // namespace k42::offload
