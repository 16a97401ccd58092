// The transport between nodes of one host: the peer's arena is mapped, and its daemon is one unix
// socket away.
//
// Puts, gets and atomics are this process's own loads and stores in the peer's arena (UCX would
// emulate them by messages to the peer, because guest memory is foreign to it). Messages and
// notifications go through the peer's daemon, which writes its kernel's receive ring: the ring has
// one producer. Everything is in order, because one thread does it and the socket keeps order.
//
// An endpoint is a connection (SOCK_SEQPACKET) that its initiator opened:
//
//   initiator: kIdle -> kHelloSent -> kConfirmed -> kUp      acceptor: kNew -> kWelcomed -> kUp
//   Hello ->, <- Welcome, Confirm ->, <- Ready with the arena's descriptor; then
//   Message ->, Notify ->, <- Revoke, Revoked ->
// A Refused packet instead of Welcome or Ready says why; the initiator tries again.
//
// Invariant that fencing rests on: an initiator unmaps the peer's arena before it closes the
// connection, and a dead one has no mapping. So end of file on an accepted connection means: that
// process cannot touch our arena any more. A connection to a removed peer therefore lingers,
// unheard, until its end of file, and revocations wait for it. Those whom this daemon's predecessor
// let in have no connection to it: arena_holders.h tells when they have let go.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "interconnect/arena.h"
#include "interconnect/arena_holders.h"
#include "interconnect/clock.h"
#include "interconnect/handshake.h"
#include "interconnect/mapped_packet.h"
#include "interconnect/request_queue.h"
#include "interconnect/revocations.h"
#include "interconnect/transport.h"
#include "interconnect/unique_fd.h"

namespace k42::interconnect {

class MappedTransport final : public Transport {
 public:
  // Listens on `socket_path`. Null: errno says why. `arena` must be formatted before peers connect.
  static std::unique_ptr<MappedTransport> Create(const LocalIdentity& self, Arena& arena,
                                                 const std::string& socket_path, Events& events,
                                                 const Clock& clock);

  std::string_view Name() const override { return "mapped"; }
  std::string LocalAddress() const override { return socket_path_; }
  void SetIdentity(const LocalIdentity& self) override { self_ = self; }
  void AddPeer(const PeerInfo& peer) override;
  void RemovePeer(PeerId peer, Status why) override;
  void Submit(const Request& request) override;
  void RevokeWindow(Token token, abi::WindowId window) override;
  std::size_t Progress() override;
  int WaitFd() const override { return epoll_.get(); }
  bool Arm() override { return true; }
  std::uint64_t NextTimer() const override;

 private:
  struct Outgoing {
    enum class State { kIdle, kHelloSent, kConfirmed, kUp };
    PeerInfo peer;
    State state = State::kIdle;
    UniqueFd socket;
    std::optional<Initiator> handshake;
    std::unique_ptr<Arena> arena;  // the peer's, in kUp
    RequestQueue queue;
    std::uint64_t next_try_ns = 0;
    std::uint64_t give_up_ns = 0;  // of a handshake
    bool blocked = false;          // the socket is full
    bool begun = false;            // the first in the queue has written its bytes already
  };
  struct Incoming {
    enum class State { kNew, kWelcomed, kUp, kLingering };
    State state = State::kNew;
    UniqueFd socket;
    std::optional<Acceptor> handshake;
    PeerId peer;
    std::uint64_t give_up_ns = 0;
    std::optional<ArenaHolders::Slot> holder;  // it may have our arena
    bool spoke = false;                        // since it was given it
  };

  MappedTransport(const LocalIdentity& self, Arena& arena, std::string socket_path, Events& events,
                  const Clock& clock)
      : self_(self),
        arena_(arena),
        socket_path_(std::move(socket_path)),
        events_(events),
        clock_(clock),
        holders_(arena) {}

  void Watch(int fd, std::uint32_t interest, bool add);
  std::size_t Serve(int fd, std::uint32_t ready);
  std::size_t Timers();

  // The own side of an endpoint: mapped_outgoing.cc
  void Connect(Outgoing& to);
  void OnOutgoingPacket(Outgoing& to, const PacketHeader& packet, std::span<const std::byte> body,
                        std::vector<UniqueFd>& fds);
  void Drain(Outgoing& to);
  Transfer Execute(Outgoing& to, const Request& request);
  void Break(Outgoing& to, Status why);

  // The accepted side: mapped_incoming.cc
  void Accept();
  void OnIncomingPacket(Incoming& from, const PacketHeader& packet,
                        std::span<const std::byte> body);
  void OnHello(Incoming& from, std::span<const std::byte> body);
  void Refuse(Incoming& from, Status why);
  void Linger(Incoming& from);
  void Drop(Incoming& from, Status why);
  // Gives the peer our arena, written down. False: it is not to have it, or does not take it.
  bool GiveArena(Incoming& from);
  void Revoked(int holder, const abi::WindowId* window);
  // Revocations wait for a predecessor's neighbours under numbers that no socket has.
  static int HeirNumber(ArenaHolders::Slot slot) { return -1 - static_cast<int>(slot); }
  static constexpr std::uint64_t kLookForHeirsNs = 50'000'000;
  void LookForHeirs();

  LocalIdentity self_;
  Arena& arena_;
  const std::string socket_path_;
  Events& events_;
  const Clock& clock_;
  UniqueFd epoll_;
  UniqueFd listener_;
  std::map<PeerId, Outgoing> outgoing_;
  std::map<int, Incoming> incoming_;  // by socket
  std::map<int, PeerId> sockets_;     // of outgoing ones
  Revocations<int> revocations_;      // held by sockets of accepted connections, and by heirs
  ArenaHolders holders_;
  std::set<ArenaHolders::Slot> awaited_;  // heirs that revocations wait for
  std::uint64_t look_for_heirs_ns_ = 0;
  std::vector<std::byte> buffer_;
  std::size_t delivered_ = 0;
};

}  // namespace k42::interconnect
