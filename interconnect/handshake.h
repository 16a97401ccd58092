// How the two ends of an endpoint prove who they are, before anything else passes. A pure state
// machine over bytes, the same for every transport; each direction of traffic does its own.
//
//   initiator                              acceptor
//   Hello    who, whom, generation, nonce ->
//          <- Welcome  generation, nonce, HMAC(key, "welcome" + all so far)
//   Confirm  HMAC(key, "confirm" + all so far) ->
//
// key = initiator's secret + acceptor's secret. The secrets are random words of the two
// incarnations that only holders of a node certificate can read in the store, so a right HMAC says:
// this is a member, of this cluster, in this life, speaking with this daemon generation, now. What
// follows is neither encrypted nor authenticated: the fabric between the hosts is trusted with the
// payload.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "interconnect/identity.h"

namespace k42::interconnect {

using Nonce = std::array<std::byte, 16>;
using Mac = std::array<std::byte, 32>;

inline constexpr std::uint32_t kHelloMagic = 0x4832'344b;  // "K42H"
inline constexpr std::uint32_t kHandshakeVersion = 1;

struct Hello {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t cluster_id;
  std::uint32_t sender_node;
  std::uint32_t receiver_node;
  std::uint64_t sender_incarnation;
  std::uint64_t receiver_incarnation;
  std::uint32_t generation;
  std::uint32_t reserved;
  Nonce nonce;

  PeerId Sender() const { return {sender_node, sender_incarnation}; }
};
static_assert(sizeof(Hello) == 64);

struct Welcome {
  std::uint32_t generation;
  std::uint32_t reserved;
  Nonce nonce;
  Mac mac;
};
static_assert(sizeof(Welcome) == 56);

struct Confirm {
  Mac mac;
};

// Reads a Hello: shape only. Who it claims to be decides which secret the acceptor takes.
Status ParseHello(std::span<const std::byte> bytes, Hello* out);

class Initiator {
 public:
  Initiator(const LocalIdentity& self, const PeerInfo& peer) : self_(self), peer_(peer) {}

  Hello Start();
  // kPermissionDenied: the other end does not know our secrets.
  Status OnWelcome(std::span<const std::byte> bytes, Confirm* confirm);

 private:
  const LocalIdentity self_;
  const PeerInfo peer_;
  Hello hello_{};
};

class Acceptor {
 public:
  explicit Acceptor(const LocalIdentity& self) : self_(self) {}

  // `peer` is the member that the Hello names. kStaleIncarnation: it means an earlier or later life
  // of this node; kPermissionDenied: another cluster.
  Status OnHello(const Hello& hello, const PeerInfo& peer, Welcome* welcome);
  Status OnConfirm(std::span<const std::byte> bytes);

 private:
  const LocalIdentity self_;
  std::vector<std::byte> transcript_;
  Secret peer_secret_{};
};

}  // namespace k42::interconnect
