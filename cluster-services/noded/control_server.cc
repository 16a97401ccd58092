#include "cluster-services/noded/control_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "interconnect/unix_socket.h"

namespace k42::noded {

using control::Frame;
using control::FrameType;
using nlohmann::json;

namespace {

// Answers carry bytes of kernels and programs: what is no UTF-8 in them is shown as such.
std::string Text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

// -- connection ---------------------------------------------------------------------------------

std::shared_ptr<Connection> Connection::Serve(EventLoop& loop, interconnect::UniqueFd socket) {
  const int fd = socket.get();
  auto connection = std::make_shared<Connection>(loop, std::move(socket));
  loop.Watch(fd, EPOLLIN, [connection](std::uint32_t events) { connection->OnReady(events); });
  return connection;
}

void Connection::Reply(const json& answer) {
  Send(FrameType::kReply, Text(answer));
}

void Connection::Finish(const json& answer) {
  Reply(answer);
  CloseWhenSent();
}

void Connection::Fail(Status status, const std::string& text) {
  Send(FrameType::kFailed, Text({{"status", StatusName(status)}, {"text", text}}));
  CloseWhenSent();
}

void Connection::Send(FrameType type, std::string_view payload) {
  if (!socket_)
    return;
  unsent_ += control::EncodeFrame(type, payload);
  Flush();
}

void Connection::CloseWhenSent() {
  closing_ = true;
  Flush();
}

void Connection::PauseReading(bool paused) {
  if (std::exchange(paused_, paused) != paused && socket_)
    Watch();
}

void Connection::Watch() {
  loop_.Change(socket_.get(), (paused_ ? 0u : EPOLLIN) | (unsent_.empty() ? 0u : EPOLLOUT));
}

void Connection::Flush() {
  while (socket_ && !unsent_.empty()) {
    ssize_t sent = send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent <= 0) {
      if (sent < 0 && errno != EAGAIN)
        return Close();
      return Watch();
    }
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
  if (!socket_)
    return;
  if (closing_)
    return Close();
  Watch();
  if (const auto drained = on_drained)  // ours: it may close this connection
    drained();
}

void Connection::OnReady(std::uint32_t events) {
  auto self = shared_from_this();
  if ((events & EPOLLOUT) != 0)
    Flush();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || !socket_)
    return;
  char buffer[65536];
  ssize_t size = recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN)
    return;
  if (size <= 0)
    return Close();
  reader_.Append({buffer, static_cast<std::size_t>(size)});
  while (auto frame = reader_.Next()) {
    if (on_request_)
      std::exchange(on_request_, nullptr)(*frame);
    else if (const auto handler = on_frame)  // ours: it may close this connection
      handler(*frame);
  }
  if (reader_.broken())
    Close();
}

void Connection::Close() {
  if (!socket_)
    return;
  loop_.Unwatch(socket_.get());
  socket_.Reset();
  on_frame = nullptr;
  on_drained = nullptr;
  if (auto gone = std::exchange(on_gone, nullptr))
    gone();
}

// -- server -------------------------------------------------------------------------------------

ControlServer::~ControlServer() {
  for (const auto& listener : listeners_) loop_.Unwatch(listener.get());
}

bool ControlServer::Listen(const std::string& path, const Gate& gate) {
  auto listener = interconnect::ListenUnix(path, SOCK_STREAM);
  if (!listener)
    return false;
  const int fd = listener.get();
  loop_.Watch(fd, EPOLLIN, [this, fd, gate](std::uint32_t) {
    if (auto socket = interconnect::AcceptUnix(fd))
      Adopt(std::move(socket), gate);
  });
  listeners_.push_back(std::move(listener));
  return true;
}

std::shared_ptr<Connection> ControlServer::Adopt(interconnect::UniqueFd socket, const Gate& gate) {
  const auto connection = Connection::Serve(loop_, std::move(socket));
  connection->on_request_ = [this, gate, weak = std::weak_ptr(connection)](const Frame& frame) {
    if (auto live = weak.lock())
      Dispatch(live, frame, gate);
  };
  return connection;
}

void ControlServer::Dispatch(const std::shared_ptr<Connection>& connection, const Frame& frame,
                             const Gate& gate) {
  json request = json::parse(frame.payload, nullptr, false);
  if (frame.type != FrameType::kRequest || !request.is_object())
    return connection->Fail(Status::kInvalidArgument, "a request is a JSON object");
  json name = request.value("request", json());
  auto handler = name.is_string() ? handlers_.find(name.get<std::string>()) : handlers_.end();
  if (handler == handlers_.end())
    return connection->Fail(Status::kNotSupported, "this daemon does not serve that request");
  if (!gate.only.empty() && !gate.only.contains(handler->first))
    return connection->Fail(Status::kPermissionDenied,
                            "'" + handler->first + "' is not for programs of a node");
  const json node = request.value("node", json());
  if (relay_ && !gate.relayed && node.is_string() &&
      relay_(connection, node.get<std::string>(), frame))
    return;
  try {
    handler->second(connection, request);
  } catch (const json::exception& error) {
    connection->Fail(Status::kInvalidArgument, error.what());
  }
}

}  // namespace k42::noded
