// One end of a fabric stream: a TCP-like byte stream between two nodes, as a pure step function
// over FabricStreamState.
//
// It knows no clock, no lock, no memory and no transport: only positions. Its owner
// (stream_object.h in the kernel, tests directly) calls a step, then NextAction until there is
// none, and carries the actions out; bytes are copied by whoever has the rings.
//
// States:
//   kIdle -> kConnecting -> kOpen -> kClosed       the client's end
//   kOpen -> kClosed                               the server's end, made by the kOpen message
// In kOpen each direction ends by itself: finish_sent (ours), peer_finish (the peer's). An end that
// the user has let go of stays until the peer has said that it knows our finish: should that be
// lost, nobody else could say it again, and the peer would see a reset instead. kClosed holds the
// error for those who ask, until the owner lets go.
//
// When the way breaks (a daemon died), puts end as lost and messages may be gone without notice.
// Then, once nothing is under way, everything that the peer must know is said again from `done` on.
// That can do no harm: all messages name absolute positions, a put writes the same bytes to the
// same place, and no put reuses a place in the peer's ring before the earlier put there has ended.
//
// A peer that breaks the order of positions is cut off with kReset: its numbers are checked before
// they are used.
#pragma once

#include <cstdint>

#include "io/fabric_stream_state.h"

namespace k42::io {

// What the owner has to do for the stream.
struct StreamAction {
  enum class Kind : std::uint8_t { kSend, kPut, kSetTimer, kReleased };
  Kind kind = Kind::kSend;
  StreamMessage message;            // kSend: ports and ids are filled in
  std::uint64_t local_offset = 0;   // kPut: in the send ring
  std::uint64_t remote_offset = 0;  //       in the peer's ring
  std::uint32_t length = 0;
  std::uint64_t window = 0;
  std::uint64_t word = 0;         //       of the notification
  std::uint64_t put_end = 0;      //       give this to OnPutDone
  std::uint64_t deadline_ns = 0;  // kSetTimer
  // kSend, kPut: its good end is waited for, or that of one before it. Else it may be told of as
  // late as one likes: with the next that is awaited.
  bool awaited = false;
};

// What poll shows, in the order of Linux's TCP: bits of abi/readiness.h are made from these.
struct StreamReadiness {
  bool readable, writable, error, hangup, read_hangup;
};

// Bytes at a position of a ring; the owner finds the memory.
struct StreamSpan {
  std::uint64_t position = 0;
  std::uint64_t length = 0;
};

class FabricStream {
 public:
  using State = StreamState;
  static constexpr std::uint32_t kVersion = 1;
  static constexpr std::uint64_t kExportForms = 1u << kStreamStateV1;
  static constexpr std::uint64_t kImportForms = 1u << kStreamStateV1;

  FabricStream() = default;
  explicit FabricStream(const StreamShape& shape) { Start(shape); }
  void Start(const StreamShape& shape) { s_.shape = shape; }

  // -- the user's steps --
  // Client: asks the peer's port. kInProgress at first, then kAlreadyConnected or the error, taken;
  // kInvalidArgument once that has been told.
  Status Connect(std::uint16_t local_port, std::uint16_t peer_port, std::uint64_t now_ns);
  // Server: the stream that a kOpen message asks for.
  Status Accept(const StreamMessage& open, std::uint16_t local_port);
  // Where to copy bytes to, before Written(how many): at most `*room`, which may wrap. kWouldBlock,
  // kNotConnected, kBrokenPipe after our shutdown, or the waiting error, taken.
  Status WriteRoom(StreamSpan* room);
  void Written(std::uint64_t count);
  // Bytes to copy out, before Consumed(how many); none: the stream's end. kWouldBlock,
  // kNotConnected, or the waiting error, taken.
  Status Readable(StreamSpan* bytes);
  void Consumed(std::uint64_t count);
  Status ShutdownWrite();
  Status ShutdownRead();
  // Lets go. Unread data, or `reset`, makes it a reset, as TCP does; else what was written still
  // arrives. A peer that never ends its side is cut off after a minute (Linux's tcp_fin_timeout).
  void Close(std::uint64_t now_ns, bool reset = false);
  // The pending error, taken (SO_ERROR): kOk if none.
  Status TakeError();

  // -- the fabric's steps --
  void OnMessage(const StreamMessage& message, std::uint64_t now_ns);
  void OnData(std::uint64_t word);
  // The put whose put_end this is has ended; `status` is kOk or why it did not, or may not, have
  // happened.
  void OnPutDone(std::uint64_t put_end, Status status, std::uint64_t now_ns = 0);
  // A message has left (kOk), or did not, or may not have.
  void OnSendDone(Status status, std::uint64_t now_ns = 0);
  // The way to the peer broke, or our daemon is a new one: what was on its way may be lost.
  void OnBreak();
  // The peer left the view.
  void OnPeerGone();
  void OnTimer(std::uint64_t now_ns);

  // -- the owner's --
  // The next thing to do; false when there is none.
  bool NextAction(StreamAction* action);
  StreamReadiness Readiness() const;
  // Readiness, and the news since the last call.
  void Look(struct StreamLook* look);
  // For StreamObject: the words of the state, and what one version takes over from another.
  std::uintptr_t Export(std::uint32_t /*form*/) { return reinterpret_cast<std::uintptr_t>(&s_); }
  Status Import(std::uint32_t /*form*/, std::uintptr_t part) {
    s_ = *reinterpret_cast<const FabricStreamState*>(part);
    return Status::kOk;
  }
  void Changed() { ++s_.changes; }
  void Note(const StreamAction&) {}
  void Describe(struct StreamDescription* description) const;

  State state() const { return s_.state; }
  StreamId id() const { return s_.shape.id; }
  StreamId peer() const { return s_.peer; }
  std::uint64_t readable_bytes() const { return s_.tail - s_.head; }
  std::uint64_t unsent_bytes() const { return s_.written - s_.done; }

  // The part of the receive ring that must be free before the writer is told: half, so that it is
  // not told for each read.
  void SetCreditPart(std::uint32_t divisor) { credit_divisor_ = divisor; }

 private:
  StreamMessage Message(StreamMessageKind kind) const;
  void Arrived(std::uint64_t tail);
  void Fail(Status error);
  void ResetPeer(Status error);
  void Pause(std::uint64_t now_ns);
  void SayAllAgain();
  bool PeerFinished() const { return s_.peer_finish_known && s_.tail == s_.peer_finish; }
  bool FindAction(StreamAction* action);
  bool NextPut(StreamAction* action);
  bool Awaited(const StreamAction& action) const;
  bool CreditIsDue() const;
  bool Releasable() const;

  FabricStreamState s_;
  std::uint32_t credit_divisor_ = 2;
};

}  // namespace k42::io
