// The control socket's server: cuts requests out of connections and hands each to its handler.
//
// A connection carries one request. A handler answers through its Connection now or later; the
// connection lives until it has been answered and closed by either side. Loop's thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/status.h"
#include "cluster-services/control/frame.h"
#include "cluster-services/noded/event_loop.h"
#include "interconnect/unique_fd.h"

namespace k42::noded {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(EventLoop& loop, interconnect::UniqueFd socket)
      : loop_(loop), socket_(std::move(socket)) {}
  ~Connection() { Close(); }

  void Reply(const nlohmann::json& answer);  // and stays open, for streams
  void Finish(const nlohmann::json& answer);
  void Fail(Status status, const std::string& text);
  void Send(control::FrameType type, std::string_view payload);
  void CloseWhenSent();

  // Bytes not yet taken by the client: a source of output stops above some of them.
  std::size_t Unsent() const { return unsent_.size(); }
  // Frames after the request, and the connection's end (the client is gone).
  std::function<void(const control::Frame&)> on_frame;
  std::function<void()> on_drained;
  std::function<void()> on_gone;

 private:
  friend class ControlServer;
  void OnReady(std::uint32_t events);
  void Flush();
  void Close();

  EventLoop& loop_;
  interconnect::UniqueFd socket_;
  control::FrameReader reader_;
  std::string unsent_;
  bool closing_ = false;
  std::function<void(const control::Frame&)> on_request_;
};

class ControlServer {
 public:
  using Handler = std::function<void(std::shared_ptr<Connection>, const nlohmann::json& request)>;

  explicit ControlServer(EventLoop& loop) : loop_(loop) {}
  ~ControlServer();

  // False: errno says why.
  bool Listen(const std::string& path);
  void Handle(const std::string& request, Handler handler) {
    handlers_[request] = std::move(handler);
  }

 private:
  void Accept();
  void Dispatch(const std::shared_ptr<Connection>& connection, const control::Frame& frame);

  EventLoop& loop_;
  interconnect::UniqueFd listener_;
  std::map<std::string, Handler> handlers_;
};

}  // namespace k42::noded
