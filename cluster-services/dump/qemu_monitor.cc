#include "cluster-services/dump/qemu_monitor.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace k42::dump {

Outcome<QemuMonitor> QemuMonitor::Open(const std::string& path, Milliseconds limit) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return {Status::kNameTooLong, path + " is too long for a Unix socket"};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  interconnect::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  timeval time{limit.count() / 1000, limit.count() % 1000 * 1000};
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const Status status = errno == EAGAIN   ? Status::kUnavailable
                          : errno == EACCES ? Status::kPermissionDenied
                                            : Status::kNotFound;
    return {status, path + ": " + std::strerror(errno)};
  }
  QemuMonitor monitor(std::move(socket), limit);
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(monitor.socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      peer.pid <= 0)
    return {Status::kNotFound, path + ": whose it is cannot be seen from here"};
  monitor.process_ = peer.pid;
  const Outcome<std::string> greeting = monitor.NextLine();
  if (!greeting.ok())
    return Outcome<QemuMonitor>::From(greeting);
  const Outcome<Json> ready = monitor.Ask("qmp_capabilities");
  if (!ready.ok())
    return Outcome<QemuMonitor>::From(ready);
  return monitor;
}

Outcome<std::string> QemuMonitor::NextLine() {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + limit_;
  while (true) {
    const std::size_t newline = received_.find('\n');
    if (newline != received_.npos) {
      std::string line = received_.substr(0, newline);
      received_.erase(0, newline + 1);
      return line;
    }
    const auto left = std::chrono::ceil<Milliseconds>(end - Clock::now()).count();
    pollfd polled{socket_.get(), POLLIN, 0};
    const int ready = poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready == 0)
      return {Status::kUnavailable,
              "QEMU's monitor says nothing: QEMU is stopped, or somebody else is connected to it"};
    if (ready < 0)
      continue;
    char bytes[16 * 1024];
    const ssize_t count = read(socket_.get(), bytes, sizeof bytes);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return {Status::kNotFound, "QEMU has closed its monitor"};
    received_.append(bytes, static_cast<std::size_t>(count));
  }
}

Outcome<Json> QemuMonitor::Ask(const std::string& command, const Json& arguments) {
  const std::string line = Json{{"execute", command}, {"arguments", arguments}}.dump() + "\n";
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = send(socket_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR)
      return {Status::kNotFound, std::string("QEMU's monitor: ") + std::strerror(errno)};
    if (count > 0)
      sent += static_cast<std::size_t>(count);
  }
  while (true) {
    const Outcome<std::string> answer = NextLine();
    if (!answer.ok())
      return Outcome<Json>::From(answer);
    const Json json = Json::parse(answer.value(), nullptr, false);
    if (!json.is_object())
      return {Status::kCorrupt, "QEMU's monitor does not speak QMP"};
    if (const auto failed = json.find("error"); failed != json.end())
      return {Status::kIoError, command + ": " +
                                    (failed->is_object() ? failed->value("desc", "refused")
                                                         : std::string("refused"))};
    if (const auto found = json.find("return"); found != json.end())
      return *found;
    // An event: somebody else's business.
  }
}

Outcome<std::string> QemuMonitor::Human(const std::string& line) {
  const Outcome<Json> text = Ask("human-monitor-command", {{"command-line", line}});
  if (!text.ok())
    return Outcome<std::string>::From(text);
  if (!text->is_string())
    return {Status::kCorrupt, line + ": no text"};
  return text->get<std::string>();
}

}  // namespace k42::dump
