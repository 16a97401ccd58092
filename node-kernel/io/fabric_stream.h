// One end of a fabric stream: a TCP-like byte stream between two nodes, as a pure step function.
//
// It knows no clock, no lock and no transport. Its owner (the socket object) holds a lock round
// each step, and after each step drains NextAction() and carries the actions out with the lock
// dropped; so the same code runs in the kernel and, ten thousand seeded schedules at a time, in the
// tests.
//
// States:
//   kIdle -> kConnecting -> kOpen -> kClosed       the client's end
//   kOpen -> kClosed                               the server's end, made by the kOpen message
// In kOpen each direction ends by itself: finish_written_ (ours), finish_at_ (the peer's). kClosed
// holds the error for those who ask, until the owner lets go.
//
// Positions (absolute, bytes since the stream began), and their order:
//   sending:   done_ <= sent_ <= written_            written_ - done_ <= send ring
//              consumed_by_peer_ <= sent_            sent_ - consumed_by_peer_ <= peer's ring
//   receiving: credited_ <= head_ <= tail_           tail_ - credited_ <= receive ring
// done_: puts up to here have ended, their bytes left our ring. A peer that breaks an order is cut
// off with kReset: its numbers are never used as offsets before they are checked.
#pragma once

#include <cstdint>
#include <span>

#include "io/fabric_ring.h"
#include "io/fabric_stream_message.h"

namespace k42::io {

// What the owner has to do for the stream.
struct StreamAction {
  enum class Kind { kSend, kPut, kSetTimer, kReleased };
  Kind kind;
  StreamMessage message;        // kSend: ports and ids are filled in
  std::uint64_t local_offset;   // kPut: in the send ring
  std::uint64_t remote_offset;  //       in the peer's ring
  std::uint32_t length;
  std::uint64_t window;
  std::uint64_t word;         //       of the notification
  std::uint64_t put_end;      //       give this to OnPutDone
  std::uint64_t deadline_ns;  // kSetTimer
};

// What poll shows, in the order of Linux's TCP: bits of io/waitable.idl are made from these.
struct StreamReadiness {
  bool readable, writable, error, hangup, read_hangup;
};

class FabricStream {
 public:
  enum class State { kIdle, kConnecting, kOpen, kClosed };

  // Both rings live in the arena; `receive_window` is how the peer names the receive ring.
  FabricStream(StreamId id, FabricRing send, FabricRing receive, std::uint64_t receive_window)
      : id_(id), send_(send), receive_(receive), receive_window_(receive_window) {}

  // -- the user's steps --
  // Client: asks the peer's port. kInProgress at first, then kAlreadyConnected or the error.
  Status Connect(std::uint16_t local_port, std::uint16_t peer_port, std::uint64_t now_ns);
  // Server: the stream that a kOpen message asks for.
  Status Accept(const StreamMessage& open, std::uint16_t local_port);
  // Bytes taken; kWouldBlock, kNotConnected, kBrokenPipe after our shutdown or a reset.
  Result<std::uint64_t> Write(std::span<const std::byte> bytes);
  // Bytes given; 0 at the stream's end; kWouldBlock, kNotConnected; kConnectionReset once.
  // `peek` leaves them in the ring.
  Result<std::uint64_t> Read(std::span<std::byte> bytes, bool peek = false);
  Status ShutdownWrite();
  Status ShutdownRead();
  // Lets go. Unread data makes it a reset, as TCP does; else what was written still arrives.
  // A peer that never ends its side is cut off after a minute (Linux's tcp_fin_timeout).
  void Close(std::uint64_t now_ns);
  // The pending error, taken (SO_ERROR): kOk if none.
  Status TakeError();

  // -- the fabric's steps --
  void OnMessage(const StreamMessage& message, std::uint64_t now_ns);
  void OnData(std::uint64_t word);
  // The put whose put_end this is has ended; `status` is kOk or why it did not happen.
  void OnPutDone(std::uint64_t put_end, Status status);
  // The peer left the view, or its endpoint is gone for good.
  void OnPeerGone();
  void OnTimer(std::uint64_t now_ns);

  // -- the owner's --
  // The next thing to do; false when there is none.
  bool NextAction(StreamAction* action);
  StreamReadiness Readiness() const;
  State state() const { return state_; }
  StreamId id() const { return id_; }
  StreamId peer() const { return peer_; }
  std::uint16_t local_port() const { return local_port_; }
  std::uint16_t peer_port() const { return peer_port_; }
  std::uint64_t ReadableBytes() const { return tail_ - head_; }
  std::uint64_t UnsentBytes() const { return written_ - done_; }

 private:
  StreamMessage Message(StreamMessageKind kind) const;
  void Fail(Status error);
  void ResetPeer(Status error);
  bool PeerFinished() const { return peer_finish_known_ && tail_ == peer_finish_; }
  bool NextPut(StreamAction* action);
  bool CreditIsDue() const;
  bool Releasable() const;

  const StreamId id_;
  FabricRing send_;
  FabricRing receive_;
  const std::uint64_t receive_window_;

  State state_ = State::kIdle;
  StreamId peer_ = 0;
  std::uint16_t local_port_ = 0;
  std::uint16_t peer_port_ = 0;
  std::uint64_t peer_window_ = 0;
  std::uint64_t peer_size_ = 0;

  std::uint64_t written_ = 0, sent_ = 0, done_ = 0, consumed_by_peer_ = 0;
  std::uint64_t head_ = 0, tail_ = 0, credited_ = 0;
  std::uint64_t peer_finish_ = 0;
  std::uint64_t timer_at_ns_ = 0, give_up_at_ns_ = 0, retry_delay_ns_ = 0;
  Status error_ = Status::kOk;

  bool peer_finish_known_ = false;
  bool write_shut_ = false, read_shut_ = false, closed_by_user_ = false;
  bool open_due_ = false, opened_due_ = false, finish_sent_ = false, reset_due_ = false;
  bool timer_due_ = false, released_ = false;
};

}  // namespace k42::io
