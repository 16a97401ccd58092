// The ephemeral names that this node has bound, so that they outlive a lease.
//
// A lease may end while the incarnation goes on (the store was away; the daemon stood still for
// longer than a TTL and nobody removed it). The store then deletes what was bound to it, and the
// member binds its record to a new lease (view/membership.h). Its names have to follow.
//
// Everything is learnt from the watch, so names that a daemon before this one has bound, or whose
// answer was lost, are known as well. A name that goes at the revision at which the own member
// record goes has gone with the lease: it is *lost*. A name that goes otherwise, or that somebody
// else binds, was taken away, and is forgotten.
//
// Who has bound a name knows the version it was given then. Bound again it has another one;
// Current() tells which, so that the binder's next compare-and-swap does not fail for nothing.
//
// States of a name:   held <-> lost ; either -> forgotten.        Pure: no store, no threads.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cluster-services/names/name_tree.h"

namespace k42::agent {

class OwnNames {
 public:
  OwnNames(std::string cluster, view::NodeId node) : cluster_(std::move(cluster)), node_(node) {}

  void OnListing(const store::Listing& listing);
  void OnEvents(const std::vector<store::Event>& events);

  // Names of that incarnation that are to be bound again; those of others are forgotten.
  std::vector<names::Binding> Lost(view::Incarnation incarnation);
  // The version that stands where the binder knows `given`.
  store::Revision Current(const std::string& path, store::Revision given) const;

 private:
  struct Name {
    names::Binding binding;  // its version: the store's
    store::LeaseId lease = store::kNoLease;
    store::Revision given = 0;  // the version that the binder knows
    bool lost = false;
  };

  void See(const store::KeyValue& pair);

  const std::string cluster_;
  const view::NodeId node_;
  std::map<std::string, Name> names_;  // by key
};

}  // namespace k42::agent
