#include "cluster-services/control/client.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace k42::control {
namespace {

Outcome<int> OpenUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return {Status::kNameTooLong, path + " is too long for a Unix socket"};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return {Status::kLimitExceeded, std::strerror(errno)};
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const std::string why = path + ": " + std::strerror(errno);
    close(fd);
    return {Status::kUnavailable, why};
  }
  return fd;
}

Outcome<int> OpenTcp(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
    return {Status::kNotFound, host + ": " + gai_strerror(error)};
  std::string why = "no address";
  int fd = -1;
  for (const addrinfo* one = found; one != nullptr && fd < 0; one = one->ai_next) {
    fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
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

Outcome<Channel> Channel::Open(const std::string& address) {
  Outcome<int> opened(Status::kInvalidArgument, "'" + address + "' is neither unix: nor tcp:");
  if (address.starts_with("unix:")) {
    opened = OpenUnix(address.substr(5));
  } else if (address.starts_with("tcp:")) {
    const std::size_t colon = address.rfind(':');
    opened = colon > 4 ? OpenTcp(address.substr(4, colon - 4), address.substr(colon + 1))
                       : Outcome<int>(Status::kInvalidArgument, "'" + address + "' has no port");
  }
  if (!opened.ok())
    return Outcome<Channel>::From(opened);
  return Channel(opened.value());
}

Channel::Channel(Channel&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), reader_(std::move(other.reader_)) {}

Channel& Channel::operator=(Channel&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(reader_, other.reader_);
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

Outcome<Frame> Channel::Await() {
  while (true) {
    if (auto frame = Next())
      return std::move(*frame);
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
    for (const Status one : {Status::kNotFound, Status::kNotSupported, Status::kUnavailable,
                             Status::kPermissionDenied, Status::kInvalidArgument, Status::kNodeDead,
                             Status::kAlreadyExists, Status::kNotInView}) {
      if (name == StatusName(one))
        status = one;
    }
    return {status, json.value("text", name)};
  }
  if (frame.type != FrameType::kReply)
    return {Status::kCorrupt, "the daemon answers with an unexpected frame"};
  return json;
}

Outcome<Json> Ask(const std::string& address, const Json& request) {
  Outcome<Channel> channel = Channel::Open(address);
  if (!channel.ok())
    return Outcome<Json>::From(channel);
  if (!channel.value().Send(FrameType::kRequest, request.dump()))
    return {Status::kEndpointDown, "the daemon does not listen"};
  const Outcome<Frame> frame = channel.value().Await();
  if (!frame.ok())
    return Outcome<Json>::From(frame);
  return AnswerOf(frame.value());
}

}  // namespace k42::control
