// The tools' side of the control socket: one connection, one request.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cluster-services/control/frame.h"
#include "cluster-services/support/outcome.h"

namespace k42::control {

using Json = nlohmann::json;

// A connected socket and the frames on it. Blocking, unless the caller polls descriptor() first.
class Channel {
 public:
  // "unix:PATH" or "tcp:HOST:PORT".
  static Outcome<Channel> Open(const std::string& address);
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;
  ~Channel();

  int descriptor() const { return socket_; }
  // False: the daemon is gone.
  bool Send(FrameType type, std::string_view payload);
  // Reads once from the socket; false: the daemon is gone or broken. Then take what Next has.
  bool Receive();
  std::optional<Frame> Next() { return reader_.Next(); }
  // Waits for a whole frame.
  Outcome<Frame> Await();

 private:
  explicit Channel(int socket) : socket_(socket) {}
  int socket_ = -1;
  FrameReader reader_;
};

// Asks and waits for the answer; a kFailed becomes the Outcome's error.
Outcome<Json> Ask(const std::string& address, const Json& request);
// The Outcome's error that a kFailed frame carries.
Outcome<Json> AnswerOf(const Frame& frame);

}  // namespace k42::control
