#include "cluster-services/control/client.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace k42::control {
namespace {

using Limit = std::optional<Milliseconds>;

// Of connecting and of each send.
void LimitSends(int fd, const Limit& limit) {
  if (!limit)
    return;
  timeval time{limit->count() / 1000, limit->count() % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

Outcome<int> OpenUnix(const std::string& path, const Limit& limit) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return {Status::kNameTooLong, path + " is too long for a Unix socket"};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return {Status::kLimitExceeded, std::strerror(errno)};
  LimitSends(fd, limit);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    // dump/node_dump.cc reads its end: a full queue (EAGAIN) means that the daemon hangs.
    const std::string why = path + ": " + std::strerror(errno);
    close(fd);
    return {Status::kUnavailable, why};
  }
  return fd;
}

Outcome<int> OpenTcp(const std::string& host, const std::string& port, const Limit& limit) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
    return {Status::kNotFound, host + ": " + gai_strerror(error)};
  std::string why = "no address";
  int fd = -1;
  for (const addrinfo* one = found; one != nullptr && fd < 0; one = one->ai_next) {
    fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LimitSends(fd, limit);
    if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) == 0)
      break;
    why = std::strerror(errno);
    if (fd >= 0)
      close(fd);
    fd = -1;
  }
  freeaddrinfo(found);
  if (fd < 0)
    return {Status::kUnavailable, host + ":" + port + ": " + why};
  return fd;
}

}  // namespace

Outcome<Channel> Channel::Open(const std::string& address, Limit limit) {
  Outcome<int> opened(Status::kInvalidArgument, "'" + address + "' is neither unix: nor tcp:");
  if (address.starts_with("unix:")) {
    opened = OpenUnix(address.substr(5), limit);
  } else if (address.starts_with("tcp:")) {
    const std::size_t colon = address.rfind(':');
    opened = colon > 4 ? OpenTcp(address.substr(4, colon - 4), address.substr(colon + 1), limit)
                       : Outcome<int>(Status::kInvalidArgument, "'" + address + "' has no port");
  }
  if (!opened.ok())
    return Outcome<Channel>::From(opened);
  return Channel(opened.value());
}

Channel::Channel(Channel&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      reader_(std::move(other.reader_)),
      unsent_(std::move(other.unsent_)) {}

Channel& Channel::operator=(Channel&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(reader_, other.reader_);
  std::swap(unsent_, other.unsent_);
  return *this;
}

Channel::~Channel() {
  if (socket_ >= 0)
    close(socket_);
}

bool Channel::Send(FrameType type, std::string_view payload) {
  const std::string bytes = EncodeFrame(type, payload);
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR)
      return false;
    if (count > 0)
      sent += static_cast<std::size_t>(count);
  }
  return true;
}

bool Channel::SendLater(FrameType type, std::string_view payload) {
  unsent_ += EncodeFrame(type, payload);
  return Flush();
}

bool Channel::Flush() {
  std::size_t sent = 0;
  bool alive = true;
  while (alive && sent < unsent_.size()) {
    const ssize_t count =
        send(socket_, unsent_.data() + sent, unsent_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
      break;
    if (count < 0 && errno != EINTR)
      alive = false;
    if (count > 0)
      sent += static_cast<std::size_t>(count);
  }
  unsent_.erase(0, sent);
  return alive;
}

bool Channel::Receive() {
  char bytes[64 * 1024];
  ssize_t count = 0;
  do {
    count = read(socket_, bytes, sizeof bytes);
  } while (count < 0 && errno == EINTR);
  if (count <= 0)
    return false;
  reader_.Append(std::string_view(bytes, static_cast<std::size_t>(count)));
  return !reader_.broken();
}

Outcome<Frame> Channel::Await(Limit limit) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point began = Clock::now();
  while (true) {
    if (auto frame = Next())
      return std::move(*frame);
    if (limit) {
      const auto left = std::chrono::ceil<Milliseconds>(began + *limit - Clock::now()).count();
      pollfd polled{socket_, POLLIN, 0};
      const int ready = poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
      if (ready == 0)
        return {Status::kUnavailable,
                "the daemon does not answer; it may have done what was asked"};
      if (ready < 0)
        continue;
    }
    if (!Receive())
      return {Status::kEndpointDown, "the daemon has closed the connection"};
  }
}

Outcome<Json> AnswerOf(const Frame& frame) {
  Json json = Json::parse(frame.payload, nullptr, false);
  if (json.is_discarded())
    return {Status::kCorrupt, "the daemon's answer is not JSON"};
  if (frame.type == FrameType::kFailed) {
    const std::string name = json.value("status", "");
    Status status = Status::kIoError;
    for (const Status one :
         {Status::kNotFound, Status::kNotSupported, Status::kUnavailable, Status::kPermissionDenied,
          Status::kInvalidArgument, Status::kNodeDead, Status::kAlreadyExists, Status::kNotInView,
          Status::kUnknown, Status::kTimedOut, Status::kMessageTooLong}) {
      if (name == StatusName(one))
        status = one;
    }
    return {status, json.value("text", name)};
  }
  if (frame.type != FrameType::kReply)
    return {Status::kCorrupt, "the daemon answers with an unexpected frame"};
  return json;
}

Outcome<Json> Ask(const std::string& address, const Json& request, Milliseconds limit) {
  limit += Milliseconds(request.value("budget_ms", std::int64_t{0}));
  Outcome<Channel> channel = Channel::Open(address, limit);
  if (!channel.ok())
    return Outcome<Json>::From(channel);
  if (!channel.value().Send(FrameType::kRequest, request.dump()))
    return {Status::kEndpointDown, "the daemon does not listen"};
  const Outcome<Frame> frame = channel.value().Await(limit);
  if (!frame.ok())
    return Outcome<Json>::From(frame);
  return AnswerOf(frame.value());
}

}  // namespace k42::control
