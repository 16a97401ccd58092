// Membership: a node's part in agreeing on the view, as a pure step function.
//
// Time and the store's answers come in as events, what is to be done goes out as actions; whoever
// drives it (agent/, or a simulation with a thousand seeds) keeps the order of the events it saw.
//
// States:
//   kIdle --Join--> kJoining --the store shows us in the view--> kMember --excluded, left--> kIdle
// kJoining asks for a lease, then commits view and record in one transaction, again and again until
// the watch shows that one attempt was made. An attempt whose answer got lost is recognized the
// same way: the record carries our lease and secret.
//
// Rules, and the invariants that follow (checked in tests/unit/view/schedules_test.cc):
//   - A member is removed by a transaction on "its record is absent, the view is unchanged". Its
//   lease
//     had ended in the store then, so its authority, counted from the *send* time of the last
//     answered keepalive and shortened for clock drift, had ended before.
//   - A member whose lease got lost, but whom nobody has removed, binds its record to a new lease
//   by a
//     transaction on the same two conditions: either it or its removal wins.
//   - The absence of a record proves nothing to a member for which the store was away, until a
//     grace has passed: a store that comes back may have ended every lease, the living's too.
//   - A seat replaces its own earlier life at once; another seat at our node id is waited for.
//   - Views are installed in order of their epochs. A view without us ends the incarnation.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cluster-services/store/store.h"
#include "cluster-services/view/view.h"

namespace k42::view {

using TimeMs = std::int64_t;  // of the node's own monotonic clock

struct Config {
  std::string cluster;
  NodeId node = 0;
  std::string seat;
  std::string digest;
  TimeMs ttl = 5000;
};

// -- events
// -----------------------------------------------------------------------------------------
struct JoinWanted {
  std::map<std::string, std::string> attributes;
  std::string secret;
  // A life to go on with after a restart of the daemon; 0: a new one.
  Incarnation incarnation = 0;
  store::LeaseId lease = store::kNoLease;
};
struct LeaveWanted {};
struct LeaseGranted {
  store::LeaseId lease;
  TimeMs sent;
  TimeMs ttl;
};
struct LeaseRefused {
  std::string why;
};
struct LeaseKept {
  store::LeaseId lease;
  TimeMs sent;
  TimeMs ttl;
};
struct LeaseLost {
  store::LeaseId lease;
};
// The store's keys under Root(cluster), whole or changed; others than view and members are ignored.
struct Listed {
  store::Listing listing;
};
struct Changed {
  std::vector<store::Event> events;
};
struct CommitEnded {
  std::uint64_t id;
  bool made;         // certainly made; false: refused, or not known
  std::string note;  // for the operator, when it failed for another reason than being refused
};
struct Tick {};
using Event = std::variant<JoinWanted, LeaveWanted, LeaseGranted, LeaseRefused, LeaseKept,
                           LeaseLost, Listed, Changed, CommitEnded, Tick>;

// -- actions
// ----------------------------------------------------------------------------------------
struct AskLease {};  // answered by LeaseGranted or LeaseRefused
struct KeepLease {
  store::LeaseId lease;
};  // instead of any earlier one
struct EndLease {
  store::LeaseId lease;
};  // stop keeping it, give it back
struct Commit {
  std::uint64_t id;  // answered by CommitEnded
  store::Transaction transaction;
};
struct Joined {
  Incarnation incarnation;
  store::LeaseId lease;
  std::string secret;  // the life's, whether or not the store shows a record with it
};
struct Install {
  View view;
  std::vector<Member> gone;  // were members in the view installed before, and are not any more
};
struct Excluded {
  std::string why;
};
struct Notice {
  std::string text;
};
using Action =
    std::variant<AskLease, KeepLease, EndLease, Commit, Joined, Install, Excluded, Notice>;

class Membership {
 public:
  explicit Membership(Config config) : config_(std::move(config)) {}

  std::vector<Action> Step(const Event& event, TimeMs now);

  // May this node decide for the cluster at `now`?
  bool HasAuthority(TimeMs now) const { return now < authority_until_; }
  // 0 when it certainly has none.
  TimeMs authority_until() const { return authority_until_; }
  // When a Tick is due although nothing happens.
  TimeMs next_tick() const { return next_tick_; }

  bool member() const { return state_ == State::kMember; }
  Incarnation incarnation() const { return incarnation_; }
  const View& installed() const { return installed_; }
  // The record as the store last showed it, and the revision that made it: a fence for
  // transactions.
  const std::map<NodeId, MemberRecord>& records() const { return records_; }
  store::Revision own_record_created() const;

 private:
  enum class State { kIdle, kJoining, kMember };
  struct RecordMeta {
    store::Revision created;
    store::Revision modified;
    store::LeaseId lease;
  };

  void On(const JoinWanted& wanted);
  void On(const LeaveWanted&);
  void On(const LeaseGranted& granted);
  void On(const LeaseRefused& refused);
  void On(const LeaseKept& kept);
  void On(const LeaseLost& lost);
  void On(const Listed& listed);
  void On(const Changed& changed);
  void On(const CommitEnded& ended);
  void On(const Tick&) {}

  template <typename One>
  void Do(One action) {
    actions_.emplace_back(std::in_place_type<One>, std::move(action));
  }
  void SeePair(const store::KeyValue& pair);
  void SeeDeleted(const std::string& key);
  NodeId NodeOfKey(const std::string& key) const;  // 0: no record's key
  // What follows from the state, whatever the event was.
  void Advance();
  void RecognizeJoin();
  void TryJoin();
  void InstallView();
  void TakeAuthority();
  void RepairRecord();
  void RemoveTheDead();
  void BecomeIdle();
  void LeaveLease();
  void ForgetLease();
  bool StoreIsSteady() const;
  void SendCommit(store::Transaction transaction, TimeMs patience);
  void WakeAt(TimeMs time);
  void Say(const std::string& text);
  bool OwnRecordStands() const;
  store::Transaction OnThisView() const;  // the condition that the view is the one we know

  const Config config_;
  State state_ = State::kIdle;
  TimeMs now_ = 0;
  std::vector<Action> actions_;

  // What the store last showed.
  bool listed_ = false;
  View seen_;
  std::map<NodeId, MemberRecord> records_;
  std::map<NodeId, RecordMeta> metas_;

  // This life.
  JoinWanted wanted_;
  Incarnation incarnation_ = 0;
  store::LeaseId lease_ = store::kNoLease;
  bool asking_lease_ = false;
  View installed_;
  TimeMs authority_until_ = 0;
  TimeMs kept_until_ = 0;         // as the lease alone would allow, record or not
  TimeMs last_kept_ = INT64_MAX;  // when the last answer came; INT64_MAX: none for this lease
  TimeMs steady_since_ = 0;       // no answer has been late since

  std::uint64_t next_commit_ = 1;
  std::uint64_t pending_commit_ = 0;  // 0: none
  TimeMs retry_at_ = 0;
  TimeMs lease_retry_at_ = 0;
  std::map<NodeId, TimeMs> absent_since_;  // members without a record
  TimeMs next_tick_ = 0;
  std::string last_said_;
};

}  // namespace k42::view
