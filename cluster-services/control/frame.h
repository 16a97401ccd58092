// Frames of the control socket, between k42ctl (or k42-rsh, k42-sim) and k42-noded.
//
// One request per connection. The client sends kRequest (JSON); the daemon answers kReply (JSON) or
// kFailed. A `run` then goes on with stream frames both ways until kExit or kFailed; a client that
// disappears has its process killed. The requests stand in cluster-services/control/README.md.
//
// On the wire: payload length (u32, little endian), type (u8), payload. A length above
// kMaxFramePayload is a broken peer: close.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace k42::control {

enum class FrameType : std::uint8_t {
  kRequest = 1,      // client: JSON {"request": name, ...}
  kReply = 2,        // daemon: JSON
  kFailed = 3,       // daemon: JSON {"status": "kNotFound", "text": sentence}; the end
  kInput = 4,        // client: bytes of the process's standard input; empty: end of file
  kOutput = 5,       // daemon: bytes of standard output
  kErrorOutput = 6,  // daemon: bytes of standard error
  kSignal = 7,       // client: u32 signal number
  kExit = 8,         // daemon: u32 wait status as POSIX encodes it (exit << 8, or signal); the end
  kWindow = 9,       // client: u32 rows, u32 columns of its terminal
};

inline constexpr std::size_t kFrameHeader = 5;
inline constexpr std::uint32_t kMaxFramePayload = 1u << 20;

struct Frame {
  FrameType type;
  std::string payload;
};

std::string EncodeFrame(FrameType type, std::string_view payload);

// Cuts frames out of a byte stream.
class FrameReader {
 public:
  void Append(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole frame, if it has arrived. After broken() is true nothing comes any more.
  std::optional<Frame> Next();
  bool broken() const { return broken_; }

 private:
  std::string buffer_;
  std::size_t start_ = 0;
  bool broken_ = false;
};

}  // namespace k42::control
