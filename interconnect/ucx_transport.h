// The transport between hosts: UCX, over TCP or over whatever RDMA it finds (rc).
//
// Memory operations are carried by active messages that the target's daemon performs, after it has
// checked window and session. UCX's own put over TCP is emulated in the same way, but without a
// check: a put on its way cannot be refused by a target that has fenced the sender. So this is the
// form that keeps the contract on every NIC; using the NIC's own put and get where the endpoint is
// rc is a refinement of UcxTransport::Start, see README.md.
//
// An endpoint, per direction, as for the mapped transport:
//   initiator: kIdle -> kHelloSent -> kConfirmed -> kUp      target: kWelcomed -> kUp
// Each attempt has a number, echoed, so that a late answer to an earlier attempt is dropped. The
// target gives out a random session; requests carry it and are numbered in it. What comes under
// another session, out of its order beyond kMaxReordered, or after the peer was removed, is not
// performed: that is the fence at the target.
//
// Answers use the target's own UCX endpoint to the initiator, whose address is in the view.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "interconnect/arena.h"
#include "interconnect/clock.h"
#include "interconnect/handshake.h"
#include "interconnect/request_queue.h"
#include "interconnect/transport.h"
#include "interconnect/ucx_worker.h"

namespace k42::interconnect {

class UcxTransport final : public Transport {
 public:
  // Null: `*error` says why.
  static std::unique_ptr<UcxTransport> Create(const LocalIdentity& self, Arena& arena,
                                              const UcxOptions& options, Events& events,
                                              const Clock& clock, std::string* error);
  ~UcxTransport() override;

  std::string_view Name() const override { return "ucx"; }
  std::string LocalAddress() const override { return worker_->address(); }
  void SetIdentity(const LocalIdentity& self) override { self_ = self; }
  void AddPeer(const PeerInfo& peer) override;
  void RemovePeer(PeerId peer, Status why) override;
  void Submit(const Request& request) override;
  void RevokeWindow(Token token, abi::WindowId window) override;
  std::size_t Progress() override;
  int WaitFd() const override { return worker_->WaitFd(); }
  bool Arm() override { return worker_->Arm(); }
  std::uint64_t NextTimer() const override;

 private:
  enum class State { kIdle, kHelloSent, kConfirmed, kUp };
  // A request under way: ends when all its pieces have.
  struct UnderWay {
    Request request;
    std::uint32_t pieces = 0;
    Status status = Status::kOk;
    bool partly = false;  // some piece has been done
    std::uint64_t value = 0;
  };
  struct Piece {
    std::uint64_t request;  // serial in under_way
    std::uint64_t local_offset;
    std::uint32_t length;  // of a get
  };
  struct Peer {
    PeerInfo info;
    UcxWorker::Endpoint endpoint = nullptr;
    bool failed = false;  // UCX says so; taken up by the next Progress

    // Our requests to it.
    State state = State::kIdle;
    std::optional<Initiator> initiator;
    std::uint64_t attempt = 0;
    std::uint64_t next_try_ns = 0;
    std::uint64_t session = 0;
    std::uint64_t sent = 0;  // requests, numbered from 1
    RequestQueue queue;
    std::map<std::uint64_t, UnderWay> under_way;
    std::map<std::uint64_t, Piece> pieces;  // by the serial that its answer carries

    // Its requests to us.
    std::optional<Acceptor> acceptor;
    std::uint64_t their_session = 0;  // 0: not let in
    std::uint64_t performed = 0;
    std::map<std::uint64_t, std::vector<std::byte>> reordered;
  };

  UcxTransport(const LocalIdentity& self, Arena& arena, Events& events, const Clock& clock)
      : self_(self), arena_(arena), events_(events), clock_(clock) {}

  UcxPacket Packet(UcxPacketType type, std::uint64_t serial = 0) const;
  bool EnsureEndpoint(Peer& peer);
  void SendControl(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body = {});
  void OnPacket(std::span<const std::byte> bytes);
  void Break(Peer& peer, Status why);
  std::size_t Timers();

  // ucx_outgoing.cc
  void Try(Peer& peer);
  void OnHandshakeAnswer(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void Drain(Peer& peer);
  void Start(Peer& peer, const Request& request);
  void StartPieces(Peer& peer, std::uint64_t serial, const Request& request);
  void OnAnswer(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void PieceEnded(Peer& peer, std::uint64_t serial, Status status, std::uint64_t value);

  // ucx_incoming.cc
  void OnHello(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void OnConfirm(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void OnRequest(Peer& peer, const UcxPacket& packet, std::span<const std::byte> bytes);
  void PerformRequest(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void Answer(Peer& peer, const UcxPacket& packet, Status status, std::uint64_t value = 0,
              std::vector<std::byte> body = {});

  LocalIdentity self_;
  Arena& arena_;
  Events& events_;
  const Clock& clock_;
  std::map<PeerId, Peer> peers_;
  std::uint64_t next_serial_ = 1;
  std::size_t delivered_ = 0;
  // Last: its end may still call back for what was sent, and that looks at the peers.
  std::unique_ptr<UcxWorker> worker_;
};

}  // namespace k42::interconnect
