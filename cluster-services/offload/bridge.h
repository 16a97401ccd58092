// The process's end of all offloaded connections: messages of the node's kernel on one side, the
// host's sockets on the other (abi/offload.h says what they mean).
//
// States of a connection:
//   connecting -> open -> over            (reset by either side)
//   open -> done -> over                  (both directions ended and acknowledged; the kernel's
//                                          kReset, or its silence in a new session, ends it)
//   open -> closing -> over               (kClose: what was written goes out, what comes is
//   dropped,
//                                          until the far end has ended too, or kLinger)
// A session lost and begun anew changes no state: see OnSession.
//
// The kernel is checked, not trusted: a message out of shape or beyond its credit resets that
// connection, a number above kOffloadConnections of them is refused, and memory is bounded by the
// windows. One thread; nothing here blocks or looks at a clock: time comes with Tick.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "abi/offload_flow.h"
#include "cluster-services/offload/outside.h"

namespace k42::offload {

class Bridge {
 public:
  using Send = std::function<void(const abi::OffloadHeader&, std::span<const std::byte>)>;
  static constexpr std::uint64_t kLingerNs = 10'000'000'000;

  Bridge(Outside& outside, Send send) : outside_(outside), send_(std::move(send)) {}

  // A daemon has come, for the kernel of this boot. Another boot than before: all is closed.
  // Returns the session's number.
  std::uint32_t OnSession(std::span<const std::byte> boot_id);
  void OnMessage(const abi::OffloadHeader& header, std::span<const std::byte> payload);

  // The host's sockets.
  void OnConnected(Number number);
  void OnFailed(Number number, Status why);
  void OnReady(Number number);

  void Tick(std::uint64_t now_ns);
  std::size_t size() const { return connections_.size(); }

 private:
  struct Connection {
    bool connecting = true;
    bool closing = false;         // the kernel reads no more
    bool done = false;            // both directions have ended; kept until the kernel has let go
    bool shut = false;            // the far end has been told of our end
    Status broken = Status::kOk;  // the socket's end; told behind what came before it
    bool named = true;            // in this session
    std::uint64_t closes_at = 0;
    abi::OffloadSender in;     // from outside to the kernel
    std::string unacked;       // bytes [in.acked(), in.written())
    abi::OffloadReceiver out;  // from the kernel to outside
    std::string unwritten;     // the last bytes received, not yet with the host
  };
  using Place = std::map<Number, Connection>::iterator;

  void Connect(const abi::OffloadHeader& header, std::span<const std::byte> payload);
  Status Take(Connection& connection, const abi::OffloadHeader& header,
              std::span<const std::byte> payload);
  Status OnCredit(Connection& connection, const abi::OffloadHeader& header);
  void Resume(Place place, const abi::OffloadHeader& header);
  void DropUnnamed();
  bool OfThisSession(const abi::OffloadHeader& header) const {
    return static_cast<std::uint32_t>(header.status) == session_;
  }
  // Moves what can be moved; the connection may be gone afterwards.
  void Pump(Place place);
  void ReadOutside(Number number, Connection& connection);
  Status WriteOutside(Number number, Connection& connection);
  void SendToKernel(Number number, Connection& connection);
  void Grant(Number number, Connection& connection, bool always);
  void End(Place place, Status why, bool tell, bool reset);
  void Tell(abi::OffloadKind kind, Number number, std::uint64_t position = 0,
            std::uint64_t limit = 0, Status status = Status::kOk, std::uint16_t flags = 0);

  Outside& outside_;
  const Send send_;
  std::map<Number, Connection> connections_;
  std::string boot_id_;
  std::uint32_t session_ = 0;
  std::uint64_t now_ns_ = 0;
};

}  // namespace k42::offload
