// The cluster's agreed memory: a key-value store with revisions, transactions, leases and watches,
// as etcd v3 offers them. This is the contract; etcd_store.h implements it over gRPC, and the
// simulations of view and names implement it in memory.
//
// Every call is thread safe, blocks at most until its deadline, and says what is known afterwards:
//   kOk            done;
//   kTimedOut, kUnavailable   a read that got no answer, or a change that was certainly not made;
//   kUnknown       a change that may or may not have been made: read back before trying again;
//   kNotFound      lease is gone;    kOutOfRange  revision is compacted;
//   kNoSpace, kBusy, kPermissionDenied   as etcd says.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster-services/support/outcome.h"

namespace k42::store {

using Milliseconds = std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;
using Revision = std::int64_t;
using LeaseId = std::int64_t;

inline constexpr LeaseId kNoLease = 0;
inline constexpr Milliseconds kDefaultDeadline{2000};

struct KeyValue {
  std::string key;
  std::string value;
  Revision created = 0;   // revision that made the key, 0: there is no such key
  Revision modified = 0;  // revision of its last change
  LeaseId lease = kNoLease;
};

// All keys of a prefix, as of one revision.
struct Listing {
  Revision revision = 0;
  std::vector<KeyValue> pairs;
};

// All-or-nothing: when every condition holds, the changes are made at one revision.
struct Transaction {
  struct Condition {
    enum class Kind { kAbsent, kModified, kCreated };
    Kind kind;
    std::string key;
    Revision revision;  // of kModified and kCreated
  };
  struct Change {
    enum class Kind { kPut, kDelete };
    Kind kind;
    std::string key;
    std::string value;
    LeaseId lease;
  };
  std::vector<Condition> conditions;
  std::vector<Change> changes;

  Transaction& IfAbsent(std::string key) {
    conditions.push_back({Condition::Kind::kAbsent, std::move(key), 0});
    return *this;
  }
  Transaction& IfModifiedAt(std::string key, Revision revision) {
    conditions.push_back({Condition::Kind::kModified, std::move(key), revision});
    return *this;
  }
  Transaction& IfCreatedAt(std::string key, Revision revision) {
    conditions.push_back({Condition::Kind::kCreated, std::move(key), revision});
    return *this;
  }
  Transaction& Put(std::string key, std::string value, LeaseId lease = kNoLease) {
    changes.push_back({Change::Kind::kPut, std::move(key), std::move(value), lease});
    return *this;
  }
  Transaction& Delete(std::string key) {
    changes.push_back({Change::Kind::kDelete, std::move(key), {}, kNoLease});
    return *this;
  }
};

struct Committed {
  bool succeeded = false;  // false: some condition did not hold, nothing was changed
  Revision revision = 0;
};

struct Lease {
  LeaseId id = kNoLease;
  std::chrono::seconds ttl{};  // granted, may exceed what was asked
  SteadyTime sent;             // when the request left: the lease lives at least until sent + ttl
};

struct Event {
  bool deleted = false;
  KeyValue pair;  // of a deleted key: key, and modified = revision of the deletion
};

// Called on the watch's own thread, one at a time, in the store's order.
class WatchHandler {
 public:
  virtual ~WatchHandler() = default;
  // The whole prefix: first call of all, and again after the history was compacted under us or on
  // the periodic reconcile. Replaces everything known.
  virtual void OnListing(const Listing& listing) = 0;
  // Everything that one or several consecutive revisions changed; a revision is never split.
  virtual void OnEvents(Revision revision, const std::vector<Event>& events) = 0;
  // The stream broke or fell silent; it resumes by itself, nothing is lost.
  virtual void OnDisturbed(const std::string& why) = 0;
};

// Stops, and waits for a running callback, when destroyed (so not from inside a callback).
class Watch {
 public:
  virtual ~Watch() = default;
};

// Called on the keeper's own thread.
class LeaseHandler {
 public:
  virtual ~LeaseHandler() = default;
  // The store has confirmed the lease: it lives at least until sent + ttl.
  virtual void OnKept(SteadyTime sent, std::chrono::seconds ttl) = 0;
  // The store knows no such lease any more. Last call.
  virtual void OnLost() = 0;
};

class LeaseKeeper {
 public:
  virtual ~LeaseKeeper() = default;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual Outcome<std::optional<KeyValue>> Get(const std::string& key,
                                               Milliseconds deadline = kDefaultDeadline) = 0;
  virtual Outcome<Listing> List(const std::string& prefix,
                                Milliseconds deadline = kDefaultDeadline) = 0;
  virtual Outcome<Revision> Put(const std::string& key, const std::string& value,
                                LeaseId lease = kNoLease,
                                Milliseconds deadline = kDefaultDeadline) = 0;
  virtual Outcome<Revision> Delete(const std::string& key,
                                   Milliseconds deadline = kDefaultDeadline) = 0;
  virtual Outcome<Committed> Commit(const Transaction& transaction,
                                    Milliseconds deadline = kDefaultDeadline) = 0;

  virtual Outcome<Lease> GrantLease(std::chrono::seconds ttl,
                                    Milliseconds deadline = kDefaultDeadline) = 0;
  virtual Outcome<Done> RevokeLease(LeaseId lease, Milliseconds deadline = kDefaultDeadline) = 0;
  // Sends a keepalive each `period`, on a stream that moves to another member when it falls silent.
  virtual std::unique_ptr<LeaseKeeper> KeepLease(LeaseId lease, Milliseconds period,
                                                 LeaseHandler& handler) = 0;

  // Lists, then follows. `handler` must outlive the Watch.
  virtual std::unique_ptr<Watch> WatchPrefix(const std::string& prefix, WatchHandler& handler) = 0;
};

}  // namespace k42::store
