// ClusterAgent: a node's part in the cluster, as a library for k42-noded.
//
// It joins, keeps the lease, follows the view, decides what is authority and what is fenced,
// reports load, and binds names. It has threads of its own (one for its state machines, one per
// stream to the store), so that a daemon's main loop never waits for etcd.
//
// States, as Listener sees them:   Start -> (OnJoined OnView* OnExcluded)* -> Stop
// After OnExcluded the incarnation is over for good: force-close endpoints at this end, revoke
// windows, fail calls, then Rejoin() with the next life of the guest.
//
// Locking: every public method may be called from any thread but the agent's own (the Listener's);
// HasAuthority, Current and Lease are safe everywhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster-services/names/name_tree.h"
#include "cluster-services/store/store.h"
#include "cluster-services/view/view.h"

namespace k42::agent {

// What a node tells placement about itself.
struct LoadReport {  // JSON under <root>/load/<node>, bound to the lease
  std::uint32_t cpus = 0;
  std::uint32_t runnable_x100 = 0;  // decaying mean of runnable dispatchers, in hundredths
  std::uint64_t memory_total = 0;
  std::uint64_t memory_free = 0;
  bool draining = false;  // takes no new processes

  bool operator==(const LoadReport&) const = default;
};

struct Options {
  std::string cluster;
  view::NodeId node = 0;
  std::string seat;    // see view::MemberRecord
  std::string digest;  // of the classes the node's kernel runs
  std::chrono::seconds lease_ttl{5};
};

// What a new daemon generation takes over from the one before (kept in the arena). All zero:
// nothing.
struct Adopted {
  view::Incarnation incarnation = 0;
  store::LeaseId lease = store::kNoLease;
  std::string secret;
};

// An installed view with what is needed to reach each member. Immutable once published.
struct Installed {
  view::View view;
  std::map<view::NodeId, view::MemberRecord> records;  // of members whose record has been seen
  std::map<view::NodeId, LoadReport> loads;
};

// Called on the agent's thread, in order. Be short; do not call back into the agent's methods.
class Listener {
 public:
  virtual ~Listener() = default;
  // This node is a member. Keep the three for the next daemon generation.
  virtual void OnJoined(const Adopted& life) = 0;
  // The lease was lost, and this member goes on with another one, before anybody removed it: keep
  // it instead of the one of OnJoined.
  virtual void OnLease(store::LeaseId lease) = 0;
  // A newer view is installed. `gone` are the incarnations that were members and are not any more:
  // close their endpoints, fail calls to them. Called again with the same view when a member's
  // record has changed (its new daemon has other addresses).
  virtual void OnView(const Installed& installed, const std::vector<view::Member>& gone) = 0;
  // This incarnation is excluded.
  virtual void OnExcluded(const std::string& why) = 0;
  // Names that were bound, changed or went (cluster-services/names).
  virtual void OnNames(const std::vector<std::string>&) {}
  // Something an operator should read ("node 3 is held by another host until its lease ends").
  virtual void OnNotice(const std::string& text) = 0;
};

class ClusterAgent {
 public:
  // `store` and `listener` must outlive the agent.
  static std::unique_ptr<ClusterAgent> Create(Options options, store::Store& store,
                                              Listener& listener);
  virtual ~ClusterAgent() = default;  // stops, without leaving: the lease tells the others

  // Joins (or, with `adopted`, goes on as the same incarnation) with the attributes that peers will
  // read. Also the way back after OnExcluded.
  virtual void Join(std::map<std::string, std::string> attributes, Adopted adopted = {}) = 0;
  // Evidence that this incarnation is dead (QEMU gone, heartbeat word stopped), or a wish to leave:
  // gives the lease back at once, so that the others need not wait for it to end.
  virtual void Leave(const std::string& why) = 0;
  // Cheap; written to the store when it changed enough, at most each two seconds.
  virtual void ReportLoad(const LoadReport& load) = 0;

  // A member whose lease is certainly alive: may this node decide for the cluster *now*?
  virtual bool HasAuthority() const = 0;
  // Until when, on the monotonic clock, if nothing comes in between; 0: it has none.
  virtual std::uint64_t AuthorityUntilNs() const = 0;
  virtual std::shared_ptr<const Installed> Current() const = 0;
  // What this member's record is bound to now, for keys that are to end with it; kNoLease: nothing.
  // It may be replaced while the incarnation lives: whoever binds to it looks again.
  virtual store::LeaseId Lease() const = 0;

  // Names, from the cache: what the watch has shown.
  virtual std::optional<names::Binding> Lookup(const std::string& path) const = 0;
  virtual std::vector<names::Binding> ListNames(const std::string& prefix) const = 0;
  // From the store itself, for who must not be fooled by a watch that is behind. kCorrupt: its
  // record cannot be read; in the cache there is none then. Blocks up to two seconds.
  virtual Outcome<std::optional<names::Binding>> Read(const std::string& path) const = 0;
  // By compare-and-swap: `version` is that of the binding this one replaces, 0: there is none. The
  // new version. kAlreadyExists: somebody else was faster; kUnavailable: no authority now;
  // kUnknown: look. An ephemeral name ends with this incarnation: should its lease end first, it is
  // bound again (own_names.h), and the version that Bind returned stays good for the next change.
  // Both block up to two seconds.
  virtual Outcome<store::Revision> Bind(const std::string& path, const std::string& value,
                                        bool ephemeral, store::Revision version = 0) = 0;
  virtual Outcome<Done> Unbind(const std::string& path, store::Revision version) = 0;
};

}  // namespace k42::agent
