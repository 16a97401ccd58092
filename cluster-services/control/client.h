// The tools' side of the control socket: one connection, one request.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cluster-services/control/frame.h"
#include "cluster-services/support/outcome.h"

namespace k42::control {

using Json = nlohmann::json;

using Milliseconds = std::chrono::milliseconds;
// So long a daemon may be silent: it answers from memory, or by the time its own calls have ended.
inline constexpr Milliseconds kAnswerLimit{5000};
// What waits for the store, several calls one after another.
inline constexpr Milliseconds kChangeLimit{20'000};

// A connected socket and the frames on it. Blocking, unless the caller polls descriptor() first.
class Channel {
 public:
  // "unix:PATH" or "tcp:HOST:PORT". Within `limit` the daemon takes the connection, and each Send.
  static Outcome<Channel> Open(const std::string& address,
                               std::optional<Milliseconds> limit = std::nullopt);
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;
  ~Channel();

  int descriptor() const { return socket_; }
  // False: the daemon is gone.
  bool Send(FrameType type, std::string_view payload);
  // Like it, but waits for nobody: what the socket has no room for stays here until Flush, which is
  // for when poll says POLLOUT. Not to be mixed with Send while anything is unsent.
  bool SendLater(FrameType type, std::string_view payload);
  bool Flush();
  std::size_t Unsent() const { return unsent_.size(); }
  // Reads once from the socket; false: the daemon is gone or broken. Then take what Next has.
  bool Receive();
  std::optional<Frame> Next() { return reader_.Next(); }
  // Waits for a whole frame. kUnavailable: it has not come within `limit`.
  Outcome<Frame> Await(std::optional<Milliseconds> limit = std::nullopt);

 private:
  explicit Channel(int socket) : socket_(socket) {}
  int socket_ = -1;
  FrameReader reader_;
  std::string unsent_;
};

// Asks and waits for the answer; a kFailed becomes the Outcome's error. A daemon that stands still
// is kUnavailable after `limit` and the request's own "budget_ms" (what was asked may then have
// been done).
Outcome<Json> Ask(const std::string& address, const Json& request,
                  Milliseconds limit = kAnswerLimit);
// The Outcome's error that a kFailed frame carries.
Outcome<Json> AnswerOf(const Frame& frame);

}  // namespace k42::control
