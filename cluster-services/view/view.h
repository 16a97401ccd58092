// The view: the agreed member set of a cluster, and the record by which a member proves it lives.
//
//   <root>/view            the View, one key. Its mod_revision is the epoch.
//   <root>/members/<node>  the MemberRecord, bound to the member's lease.
// with <root> = /k42/<cluster>. Both are JSON.
//
// Invariants (tests/unit/view drives them through ten thousand schedules):
//   - an incarnation number is given once in a cluster's life: the view counts them out;
//   - a node id has at most one member in a view;
//   - who has left a view never comes back under the same incarnation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "abi/link_control.h"
#include "cluster-services/support/outcome.h"

namespace k42::view {

using NodeId = std::uint32_t;  // 1..kMaxNode: node n is 10.42.0.n and named nN
using Incarnation = std::uint64_t;
using Epoch = std::int64_t;

inline constexpr NodeId kMaxNode = abi::kMaxNode;

struct Member {
  NodeId node = 0;
  Incarnation incarnation = 0;
  std::string digest;  // of the classes it runs

  bool operator==(const Member&) const = default;
};

struct View {
  Epoch epoch = 0;  // not encoded: the key's mod_revision; 0: no view was ever written
  Incarnation next_incarnation = 1;
  std::vector<Member> members;  // by node id

  const Member* Find(NodeId node) const;
  bool Contains(NodeId node, Incarnation incarnation) const;
  // The view after this one; the epoch is the store's to give.
  View With(const Member& member) const;
  View Without(NodeId node) const;

  bool operator==(const View&) const = default;
};

struct MemberRecord {
  NodeId node = 0;
  Incarnation incarnation = 0;
  // Who sits at this node id: a random word kept in the node's folder. The same seat may replace
  // its own earlier life at once; another seat must wait until that life's lease is gone.
  std::string seat;
  std::string secret;  // this incarnation's, hex: peers' HMAC challenges are answered with it
  // What peers need to reach it, named by the transports ("ucx.address", "host", ...).
  std::map<std::string, std::string> attributes;

  bool operator==(const MemberRecord&) const = default;
};

std::string Encode(const View& view);
Outcome<View> DecodeView(const std::string& text, Epoch epoch);
std::string Encode(const MemberRecord& record);
Outcome<MemberRecord> DecodeMember(const std::string& text);

std::string Root(const std::string& cluster);
std::string ViewKey(const std::string& cluster);
std::string MemberKey(const std::string& cluster, NodeId node);

}  // namespace k42::view
