// The control socket's server: cuts requests out of connections and hands each to its handler.
//
// A connection carries one request. A handler answers through its Connection now or later; the
// connection lives until it has been answered and closed by either side. Loop's thread only.
//
// A request that names another node goes to the relay (peer_control.h), unless it has come by one.
// What connects from inside the node is served the requests of a closed list only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

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
  // Served by the loop, which keeps it alive until it is closed.
  static std::shared_ptr<Connection> Serve(EventLoop& loop, interconnect::UniqueFd socket);

  void Reply(const nlohmann::json& answer);  // and stays open, for streams
  void Finish(const nlohmann::json& answer);
  void Fail(Status status, const std::string& text);
  void Send(control::FrameType type, std::string_view payload);
  void CloseWhenSent();
  void Close();
  // Whoever cannot take more leaves it in the socket.
  void PauseReading(bool paused);

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
  void Watch();

  EventLoop& loop_;
  interconnect::UniqueFd socket_;
  control::FrameReader reader_;
  std::string unsent_;
  bool closing_ = false;
  bool paused_ = false;
  std::function<void(const control::Frame&)> on_request_;
};

// What a caller may ask.
struct Gate {
  std::set<std::string> only;  // these requests; empty: all
  bool relayed = false;        // it has come from another node's daemon already
};

class ControlServer {
 public:
  using Handler = std::function<void(std::shared_ptr<Connection>, const nlohmann::json& request)>;

  // False: the request is for this node.
  using Relay = std::function<bool(const std::shared_ptr<Connection>&, const std::string& node,
                                   const control::Frame& request)>;

  explicit ControlServer(EventLoop& loop) : loop_(loop) {}
  ~ControlServer();

  // False: errno says why. May be called again, for another path.
  bool Listen(const std::string& path, const Gate& gate = {});
  // A connection that somebody else has accepted; the loop keeps it alive.
  std::shared_ptr<Connection> Adopt(interconnect::UniqueFd socket, const Gate& gate);
  void SetRelay(Relay relay) { relay_ = std::move(relay); }
  void Handle(const std::string& request, Handler handler) {
    handlers_[request] = std::move(handler);
  }

 private:
  void Dispatch(const std::shared_ptr<Connection>& connection, const control::Frame& frame,
                const Gate& gate);

  EventLoop& loop_;
  std::vector<interconnect::UniqueFd> listeners_;
  Relay relay_;
  std::map<std::string, Handler> handlers_;
};

}  // namespace k42::noded
