// How the daemon learns who is in the cluster: the seam to cluster-services/agent.
//
// The daemon joins when its guest is ready, with what peers need to reach it; it is told its
// identity, then views. Events come on the daemon's own thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster-services/agent/cluster_agent.h"
#include "interconnect/identity.h"

namespace k42::noded {

class EventLoop;

using Attributes = std::map<std::string, std::string>;

struct Life {
  std::uint64_t incarnation = 0;  // 0: none yet
  std::int64_t lease = 0;
  interconnect::Secret secret{};
};

struct MemberNode {
  interconnect::PeerId id;
  std::string digest;
  interconnect::Secret secret{};
  Attributes attributes;
};

struct ViewOfCluster {
  std::uint64_t epoch = 0;
  std::vector<MemberNode> members;  // this node too
};

class MembershipEvents {
 public:
  virtual ~MembershipEvents() = default;
  virtual void OnJoined(const Life& life) = 0;
  // The life goes on with another lease.
  virtual void OnLease(std::int64_t lease) = 0;
  virtual void OnView(const ViewOfCluster& view) = 0;
  virtual void OnExcluded(const std::string& why) = 0;
};

class Membership {
 public:
  virtual ~Membership() = default;
  // Joins, or goes on as the life that a predecessor of this daemon has left.
  virtual void Join(const Attributes& attributes, const Life& adopted) = 0;
  // The guest is over; says so before the lease ends by itself.
  virtual void Leave(const std::string& why) = 0;
  // Until when, on this host's monotonic clock, the node certainly has authority; 0: it has none.
  virtual std::uint64_t AuthorityDeadlineNs() const = 0;
  // For load and names; null where there is no store.
  virtual agent::ClusterAgent* Agent() { return nullptr; }
  // Lives as long as this; null where there is none.
  virtual store::Store* Store() { return nullptr; }
};

// Members are files in a folder that all daemons share: for tests of the fabric without a store. It
// promises nothing when daemons die, and there is no fencing.
std::unique_ptr<Membership> MakeFolderMembership(const std::string& folder, std::uint32_t node,
                                                 EventLoop& loop, MembershipEvents& events);

// The real one: cluster-services/agent over etcd. Null, with the reason, if the endpoints make no
// sense; a store that does not answer yet is waited for.
struct StoreMembershipOptions {
  std::string cluster;
  std::uint32_t node = 0;
  std::string folder;     // the seat's word is kept here
  std::string endpoints;  // HOST:PORT,...
  std::uint32_t cpus = 1;
};
std::unique_ptr<Membership> MakeStoreMembership(const StoreMembershipOptions& options,
                                                EventLoop& loop, MembershipEvents& events,
                                                std::string* error);

}  // namespace k42::noded
