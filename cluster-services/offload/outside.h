// The host's sockets as the bridge uses them: one per connection, by the connection's number. Real
// ones are in sockets.h, tests have their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/offload.h"
#include "base/result.h"

namespace k42::offload {

using Number = std::uint64_t;

class Outside {
 public:
  // Starts to connect; Bridge::OnConnected or OnFailed tells the end, not from inside this. An
  // error: there is no socket.
  virtual Status Connect(Number number, const abi::OffloadAddress& target) = 0;
  // kWouldBlock; 0 bytes read: the end; anything else: the connection is broken.
  virtual Result<std::size_t> Read(Number number, std::span<std::byte> into) = 0;
  virtual Result<std::size_t> Write(Number number, std::span<const std::byte> bytes) = 0;
  virtual void ShutdownWrite(Number number) = 0;
  // The socket is gone; `reset`: the other side shall know that it broke off.
  virtual void Close(Number number, bool reset) = 0;
  // What Bridge::OnReady is to be called for.
  virtual void Watch(Number number, bool readable, bool writable) = 0;

 protected:
  ~Outside() = default;
};

}  // namespace k42::offload
