// Operators' requests for another node: passed on to that node's daemon, and taken from others.
//
// The way is a TCP connection of its own for each request, after the handshake by which members'
// daemons prove themselves (interconnect/handshake.h); then the frames of the control socket, both
// ways, until either side closes. Where a daemon listens stands in its member record ("control").
//
// States of what comes:  hello awaited -> confirmation awaited -> the control server's
// of what goes:          connecting -> welcome awaited -> relaying
// Each side is paused while the other holds much unsent. What has not proved itself is bounded in
// number, oldest first out.
#pragma once

#include <deque>
#include <memory>
#include <string>

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

 private:
  struct Incoming;
  struct Outgoing;
  static constexpr std::size_t kMostUnproved = 64;

  void Accept();
  void OnIncoming(const std::shared_ptr<Incoming>& one);
  void Drop(const std::shared_ptr<Incoming>& one);
  bool Relay(const std::shared_ptr<Connection>& connection, const std::string& node,
             const control::Frame& request);
  void OnOutgoing(const std::shared_ptr<Outgoing>& one, std::uint32_t events);
  void Join(const std::shared_ptr<Outgoing>& one);
  const MemberNode* Member(std::uint32_t node) const;

  ControlServer& server_;
  Daemon& daemon_;
  interconnect::UniqueFd listener_;
  std::deque<std::shared_ptr<Incoming>> unproved_;
};

}  // namespace k42::noded
