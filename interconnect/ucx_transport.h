// The transport between hosts: UCX, over TCP or over whatever RDMA it finds (rc).
//
// Memory operations are carried by active messages that the target's daemon performs, after it has
// checked window and session. UCX's own put over TCP is emulated in the same way, but without a
// check: a put on its way cannot be refused by a target that has fenced the sender. So this is the
// form that keeps the contract on every NIC.
//
// Where both are asked to (UcxOptions::one_sided) and the endpoint is rc, the initiator asks for a
// grant with its first put or get of a window (ucx_grants.cc), and with the grant its NIC puts and
// gets by itself. What a grant does not allow goes by active message, so that the target says what
// is wrong; so do atomics (a NIC's are not atomic with the CPUs) and kPutNotify (a later
// notification speaks for the data of earlier ones, so all go the same way).
//
// An endpoint, per direction, as for the mapped transport:
//   initiator: kIdle -> kHelloSent -> kConfirmed -> kUp      target: kWelcomed -> kUp
// Each attempt has a number, echoed, so that a late answer to an earlier attempt is dropped. The
// target gives out a random session; requests carry it and are numbered in it. What comes under
// another session, out of its order beyond kMaxReordered, or after the peer was removed, is not
// performed: that is the fence at the target.
//
// Who breaks its side says so (kRefused), if it can. An initiator that has nothing under way would
// else not hear of it; should that word be lost, it asks when the peer comes back with a handshake
// of its own, until it is answered.
//
// Answers use the target's own UCX endpoint to the initiator, whose address is in the view. They
// name the session, too: whoever does not know it ends nothing.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "interconnect/arena.h"
#include "interconnect/clock.h"
#include "interconnect/handshake.h"
#include "interconnect/request_queue.h"
#include "interconnect/revocations.h"
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
    bool own = false;     // a question of ours (AskForSession): nobody is told how it ends
    std::uint64_t value = 0;
  };
  struct Piece {
    std::uint64_t request;  // serial in under_way
    std::uint64_t local_offset;
    std::uint32_t length;  // of a get
    bool by_nic = false;   // no answer ends it
  };
  // A peer's window, as far as our NIC may reach it.
  struct Grant {
    // kOvertaken: revoked before it came. kLeaving: revoked, while some transfers go on.
    enum class State { kAsked, kHeld, kLeaving, kOvertaken };
    State state = State::kAsked;
    UcxGrant words{};
    UcxKey key;
    std::uint32_t under_way = 0;
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
    std::uint64_t next_probe_ns = 0;        // set while something is under way
    bool one_sided = true;                  // until it turns out that it is not
    std::map<abi::WindowId, Grant> grants;  // of its windows

    // Its requests to us.
    std::optional<Acceptor> acceptor;
    std::uint64_t their_session = 0;  // 0: not let in
    std::uint64_t performed = 0;
    std::map<std::uint64_t, std::vector<std::byte>> reordered;
    std::map<abi::WindowId, UcxMemory> granted;  // of our windows
  };

  UcxTransport(const LocalIdentity& self, Arena& arena, Events& events, const Clock& clock)
      : self_(self), arena_(arena), events_(events), clock_(clock) {}

  static std::uint64_t RandomNumber();  // not 0
  UcxPacket Packet(UcxPacketType type, std::uint64_t serial = 0) const;
  bool EnsureEndpoint(Peer& peer);
  void SendControl(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body = {});
  void OnPacket(std::span<const std::byte> bytes);
  void SayGoodbye(Peer& peer);
  void Break(Peer& peer, Status why);
  std::size_t Timers();

  // ucx_outgoing.cc
  void Try(Peer& peer);
  void OnHandshakeAnswer(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void Drain(Peer& peer);
  void Start(Peer& peer, const Request& request);
  void StartPieces(Peer& peer, std::uint64_t serial, const Request& request);
  void AskForSession(Peer& peer);
  void Probe(Peer& peer, std::uint64_t now);
  void OnAnswer(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void PieceEnded(Peer& peer, std::uint64_t serial, Status status, std::uint64_t value);

  // ucx_incoming.cc
  void OnHello(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void OnConfirm(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void OnRequest(Peer& peer, const UcxPacket& packet, std::span<const std::byte> bytes);
  void PerformRequest(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void Answer(Peer& peer, const UcxPacket& packet, Status status, std::uint64_t value = 0,
              std::vector<std::byte> body = {});

  // ucx_grants.cc: as initiator
  bool StartOneSided(Peer& peer, std::uint64_t serial, const Request& request);
  void FlushOneSided(Peer& peer, std::uint64_t serial);
  void OneSidedEnded(PeerId id, abi::WindowId window, std::uint64_t piece, bool fine);
  void OnGrant(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body);
  void OnRevoke(Peer& peer, const UcxPacket& packet);
  void LetGo(Peer& peer, abi::WindowId window);
  void SendAbout(Peer& peer, UcxPacketType type, std::uint64_t session, abi::WindowId window);
  // as target
  void OnWantGrant(Peer& peer, const UcxPacket& packet);
  Status GrantTo(Peer& peer, abi::WindowId window, std::vector<std::byte>* body);
  void OnRevoked(Peer& peer, const UcxPacket& packet);
  void TakeBack(Peer& peer);
  void Returned(PeerId id, const abi::WindowId* window);

  LocalIdentity self_;
  Arena& arena_;
  Events& events_;
  const Clock& clock_;
  std::map<PeerId, Peer> peers_;
  Revocations<PeerId> revocations_;
  std::uint64_t next_serial_ = RandomNumber();  // no stranger knows what is under way
  std::size_t delivered_ = 0;
  // Late: its end may still call back for what was sent, and that looks at the peers.
  std::unique_ptr<UcxWorker> worker_;
  UcxMemory own_;  // the arena, as the local end of what our NIC does
};

}  // namespace k42::interconnect
