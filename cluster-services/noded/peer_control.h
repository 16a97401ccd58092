// Operators' requests for another node: passed on to that node's daemon, and taken from others.
//
// The way is a TCP connection of its own for each request, after the handshake by which members'
// daemons prove themselves (interconnect/handshake.h); then the frames of the control socket, both
// ways, until either side closes. Where a daemon listens stands in its member record ("control").
//
// States of what comes:  hello awaited -> confirmation awaited -> the control server's
// of what goes:          connecting -> welcome awaited -> relaying
// Each side is paused while the other holds much unsent. What has not proved itself is bounded in
// number, oldest first out, and in time. A host that has gone without a word is noticed by TCP's
// keepalive; a node that leaves the view loses its connections, a moment later: its daemon may
// live, and knows better why.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "cluster-services/noded/control_server.h"
#include "cluster-services/noded/daemon.h"
#include "interconnect/unique_fd.h"

namespace k42::noded {

class PeerControl {
 public:
  PeerControl(ControlServer& server, Daemon& daemon);
  ~PeerControl();
  PeerControl(const PeerControl&) = delete;

  // Listens on this host's address towards the first of `endpoints` (HOST:PORT,...; empty: the
  // loopback) and says so to other members. False: *error says why.
  bool Listen(const std::string& endpoints, std::string* error);
  // Each round of the loop: ends what has waited too long.
  void Serve();

 private:
  struct Incoming;
  struct Outgoing;
  // One that has proved itself, or both ends of one that was asked for here.
  struct Relayed {
    interconnect::PeerId peer;
    std::weak_ptr<Connection> connection;
    std::weak_ptr<Connection> client;
    std::uint64_t left_ns = 0;  // when it was seen first that the peer is no member; 0: it is
  };
  static constexpr std::size_t kMostUnproved = 64;
  static constexpr std::uint64_t kHandshakeNs = 5'000'000'000;
  static constexpr std::uint64_t kLastWordsNs = 1'000'000'000;
  static constexpr std::uint64_t kLookNs = 100'000'000;

  void Accept();
  void OnIncoming(const std::shared_ptr<Incoming>& one);
  void Drop(const std::shared_ptr<Incoming>& one);
  bool Relay(const std::shared_ptr<Connection>& connection, const std::string& node,
             const control::Frame& request);
  void OnOutgoing(const std::shared_ptr<Outgoing>& one, std::uint32_t events);
  void Fail(const std::shared_ptr<Outgoing>& one, const std::string& why);
  void Join(const std::shared_ptr<Outgoing>& one);
  void LookAt(Relayed& one, std::uint64_t now);
  const MemberNode* Member(std::uint32_t node) const;

  ControlServer& server_;
  Daemon& daemon_;
  interconnect::UniqueFd listener_;
  std::deque<std::shared_ptr<Incoming>> unproved_;
  std::vector<std::weak_ptr<Outgoing>> asking_;
  std::vector<Relayed> relayed_;
  std::uint64_t next_look_ns_ = 0;
};

}  // namespace k42::noded
