// A simulated cluster for Membership: one linearizable store with leases and watches, nodes with
// clocks of their own, and a schedule drawn from a seed: lost and late messages, watches that
// break, leader changes, paused, cut off, dead and returning nodes, two seats at one node id.
//
// Everything happens at a simulated time in microseconds, in one thread: a seed replays exactly.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "cluster-services/view/membership.h"

namespace k42::view::testing {

using SimTime = std::int64_t;  // microseconds
inline constexpr SimTime kMs = 1000;

// What etcd is to us, without a network.
class SimStore {
 public:
  struct Leased {
    SimTime expires;
    TimeMs ttl;
  };

  store::Revision revision() const { return revision_; }
  bool available(SimTime now) const { return now >= away_until_; }
  // Without a leader no lease ends; the next leader gives every lease its whole time again.
  void LeaderChange(SimTime now, SimTime length) { away_until_ = now + length; }
  // A store that stood still: its clock did not, so what ran out meanwhile ends as it comes back.
  void StandStill(SimTime now, SimTime length) {
    away_until_ = now + length;
    leases_go_on_ = false;
  }

  store::LeaseId Grant(SimTime now, TimeMs ttl) {
    leases_[next_lease_] = {now + ttl * kMs, ttl};
    return next_lease_++;
  }
  bool Keep(store::LeaseId lease, SimTime now) {
    const auto found = leases_.find(lease);
    if (found == leases_.end())
      return false;
    found->second.expires = now + found->second.ttl * kMs;
    return true;
  }
  void Revoke(store::LeaseId lease) {
    leases_.erase(lease);
    std::vector<std::string> gone;
    for (const auto& [key, pair] : pairs_) {
      if (pair.lease == lease)
        gone.push_back(key);
    }
    if (gone.empty())
      return;
    ++revision_;
    for (const std::string& key : gone) Erase(key);
  }
  void EndLeases(SimTime now) {
    if (!available(now))
      return;
    if (away_until_ != 0) {
      for (auto& [id, lease] : leases_) {
        if (leases_go_on_)
          lease.expires = now + lease.ttl * kMs;
      }
      away_until_ = 0;
      leases_go_on_ = true;
    }
    std::vector<store::LeaseId> over;
    for (const auto& [id, lease] : leases_) {
      if (lease.expires <= now)
        over.push_back(id);
    }
    for (store::LeaseId id : over) Revoke(id);
  }

  bool Commit(const store::Transaction& transaction) {
    using Condition = store::Transaction::Condition;
    for (const Condition& condition : transaction.conditions) {
      const auto pair = pairs_.find(condition.key);
      const bool holds = condition.kind == Condition::Kind::kAbsent ? pair == pairs_.end()
                         : condition.kind == Condition::Kind::kModified
                             ? pair != pairs_.end() && pair->second.modified == condition.revision
                             : pair != pairs_.end() && pair->second.created == condition.revision;
      if (!holds)
        return false;
    }
    for (const auto& change : transaction.changes) {
      if (change.lease != store::kNoLease && !leases_.contains(change.lease))
        return false;
    }
    ++revision_;
    for (const auto& change : transaction.changes) {
      if (change.kind == store::Transaction::Change::Kind::kDelete) {
        Erase(change.key);
        continue;
      }
      store::KeyValue& pair = pairs_[change.key];
      if (pair.created == 0)
        pair.created = revision_;
      pair.key = change.key;
      pair.value = change.value;
      pair.modified = revision_;
      pair.lease = change.lease;
      log_.push_back({revision_, {false, pair}});
    }
    return true;
  }

  store::Listing List() const {
    store::Listing listing{revision_, {}};
    for (const auto& [key, pair] : pairs_) listing.pairs.push_back(pair);
    return listing;
  }
  // All changes after `seen`.
  std::vector<store::Event> Since(store::Revision seen) const {
    std::vector<store::Event> events;
    auto first =
        std::ranges::upper_bound(log_, seen, {}, &std::pair<store::Revision, store::Event>::first);
    for (; first != log_.end(); ++first) events.push_back(first->second);
    return events;
  }
  const store::KeyValue* Find(const std::string& key) const {
    const auto found = pairs_.find(key);
    return found == pairs_.end() ? nullptr : &found->second;
  }

 private:
  void Erase(const std::string& key) {
    pairs_.erase(key);
    store::KeyValue pair;
    pair.key = key;
    pair.modified = revision_;
    log_.push_back({revision_, {true, pair}});
  }

  store::Revision revision_ = 1;
  std::map<std::string, store::KeyValue> pairs_;
  std::vector<std::pair<store::Revision, store::Event>> log_;
  std::map<store::LeaseId, Leased> leases_;
  store::LeaseId next_lease_ = 1;
  SimTime away_until_ = 0;
  bool leases_go_on_ = true;
};

class SimCluster {
 public:
  static constexpr const char* kName = "sim";
  static constexpr TimeMs kTtl = 5000;

  explicit SimCluster(std::uint64_t seed) : random_(seed) {}

  SimStore& store() { return store_; }
  SimTime now() const { return now_; }
  std::string failure() const { return failure_; }
  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }

  // One host at a node id. Its process may die and come back; its seat stays.
  struct Node {
    NodeId id = 0;
    std::string seat;
    double rate = 1.0;                    // of its clock
    SimTime offset = 0;                   // of its clock
    std::unique_ptr<Membership> machine;  // null: no process
    int process = 0;                      // counts processes: answers to an earlier one are dropped
    bool paused = false;
    bool cut = false;                         // from the store
    std::vector<std::function<void()>> held;  // what arrived while paused
    store::LeaseId keeping = store::kNoLease;
    store::Revision watched = 0;
    bool watching = false;
    SimTime watch_ready = 0;  // order of deliveries
    Incarnation incarnation = 0;
    store::LeaseId joined_lease = store::kNoLease;
    Epoch installed = 0;
    bool rejoins = true;
    std::string secret;
  };

  Node& AddNode(NodeId id, const std::string& seat) {
    Node& node = *nodes_.emplace_back(std::make_unique<Node>());
    node.id = id;
    node.seat = seat;
    node.rate = 0.98 + static_cast<double>(Below(41)) / 1000;  // two per cent slow to fast
    node.offset = static_cast<SimTime>(Below(100'000'000));
    return node;
  }
  std::vector<std::unique_ptr<Node>>& nodes() { return nodes_; }

  void StartProcess(Node& node, bool adopt = false) {
    ++node.process;
    node.machine = std::make_unique<Membership>(Config{kName, node.id, node.seat, "digest", kTtl});
    node.paused = false;
    node.held.clear();
    node.keeping = store::kNoLease;
    node.watched = 0;
    node.watching = false;
    if (!adopt || node.joined_lease == store::kNoLease) {
      node.secret = node.seat + std::to_string(node.process);
      node.incarnation = 0;
      node.joined_lease = store::kNoLease;
      node.installed = 0;
    }
    if (node.installed > 0)
      --node.installed;  // a new daemon may install the same view once more, not an older one
    Feed(node, JoinWanted{{{"host", node.seat}}, node.secret, node.incarnation, node.joined_lease});
    OpenWatch(node);
    TickLoop(node);
  }
  void KillProcess(Node& node) {
    ++node.process;
    node.machine.reset();
  }
  void Pause(Node& node) { node.paused = true; }
  void Resume(Node& node) {
    node.paused = false;
    std::vector<std::function<void()>> held;
    held.swap(node.held);
    for (auto& run : held) run();
  }

  bool HasAuthority(const Node& node) const {
    return node.machine != nullptr && node.machine->HasAuthority(LocalMs(node));
  }

  void At(SimTime time, std::function<void()> run) {
    queue_.push({time, order_++, std::move(run)});
  }
  void RunUntil(SimTime end) {
    while (!queue_.empty() && queue_.top().time <= end && failure_.empty()) {
      Item item = queue_.top();
      queue_.pop();
      now_ = item.time;
      store_.EndLeases(now_);
      CheckNewViews();
      item.run();
      CheckNewViews();
    }
    now_ = end;
  }

  // Lost and late messages are drawn from these.
  SimTime longest_delay = 20 * kMs;
  unsigned loss_per_cent = 0;

 private:
  struct Item {
    SimTime time;
    std::uint64_t order;
    std::function<void()> run;
    bool operator<(const Item& other) const {
      return time != other.time ? time > other.time : order > other.order;
    }
  };

  TimeMs LocalMs(const Node& node) const {
    return static_cast<TimeMs>(static_cast<double>(now_) * node.rate / kMs) + node.offset / kMs;
  }
  SimTime Delay() {
    return 100 + static_cast<SimTime>(Below(static_cast<std::uint64_t>(longest_delay)));
  }
  bool Lost(const Node& node) { return node.cut || Below(100) < loss_per_cent; }

  // Runs at the node, unless its process has ended meanwhile; a paused one runs it when resumed.
  void Deliver(Node& node, int process, std::function<void()> run) {
    if (node.process != process || node.machine == nullptr)
      return;
    if (node.paused) {
      node.held.push_back(
          [this, &node, process, run = std::move(run)] { Deliver(node, process, run); });
      return;
    }
    run();
  }

  // A request to the store and its answer; either way may be lost, then `lost` runs after
  // `patience`.
  void Ask(Node& node, std::function<std::function<void()>()> at_store,
           std::function<void()> lost) {
    const int process = node.process;
    if (Lost(node)) {
      At(now_ + 2000 * kMs, [this, &node, process, lost] { Deliver(node, process, lost); });
      return;
    }
    At(now_ + Delay(), [this, &node, process, at_store = std::move(at_store), lost] {
      if (!store_.available(now_)) {
        At(now_ + 500 * kMs, [this, &node, process, lost] { Deliver(node, process, lost); });
        return;
      }
      std::function<void()> answer = at_store();
      if (Lost(node))
        At(now_ + 2000 * kMs, [this, &node, process, lost] { Deliver(node, process, lost); });
      else
        At(now_ + Delay(), [this, &node, process, answer] { Deliver(node, process, answer); });
    });
  }

  void Feed(Node& node, const Event& event) {
    for (const Action& action : node.machine->Step(event, LocalMs(node)))
      std::visit([this, &node](const auto& one) { Do(node, one); }, action);
  }

  void Do(Node& node, const AskLease&) {
    const TimeMs sent = LocalMs(node);
    Ask(
        node,
        [this, &node, sent]() -> std::function<void()> {
          const store::LeaseId lease = store_.Grant(now_, kTtl);
          return [this, &node, lease, sent] { Feed(node, LeaseGranted{lease, sent, kTtl}); };
        },
        [this, &node] { Feed(node, LeaseRefused{"no answer"}); });
  }
  void Do(Node& node, const KeepLease& keep) {
    node.keeping = keep.lease;
    KeepLoop(node, keep.lease);
  }
  void Do(Node& node, const EndLease& end) {
    node.keeping = store::kNoLease;
    Ask(
        node,
        [this, end]() -> std::function<void()> {
          store_.Revoke(end.lease);
          return [] {};
        },
        [] {});
  }
  void Do(Node& node, const Commit& commit) {
    Ask(
        node,
        [this, &node, commit]() -> std::function<void()> {
          authority_at_commit_.clear();
          for (const auto& one : nodes_) {
            if (HasAuthority(*one))
              authority_at_commit_.emplace(one->machine->incarnation(), one.get());
          }
          const bool made = store_.Commit(commit.transaction);
          committer_ = &node;
          CheckNewViews();
          committer_ = nullptr;
          return [this, &node, id = commit.id, made] { Feed(node, CommitEnded{id, made, {}}); };
        },
        [this, &node, id = commit.id] {
          Feed(node, CommitEnded{id, false, "no answer"});
        });
  }
  void Do(Node& node, const Joined& joined) {
    node.incarnation = joined.incarnation;
    node.joined_lease = joined.lease;
  }
  void Do(Node& node, const Install& install) {
    if (install.view.epoch <= node.installed)
      Fail("views installed out of order at node " + std::to_string(node.id));
    node.installed = install.view.epoch;
    const auto truth = views_.find(install.view.epoch);
    if (truth == views_.end() || truth->second != install.view)
      Fail("node " + std::to_string(node.id) + " installed a view that never was");
    if (!install.view.Contains(node.id, node.machine->incarnation()))
      Fail("installed a view without itself");
  }
  void Do(Node& node, const Excluded&) {
    node.incarnation = 0;
    node.joined_lease = store::kNoLease;
    node.installed = 0;
    if (node.machine->HasAuthority(LocalMs(node)))
      Fail("authority after exclusion");
    const int process = node.process;
    if (node.rejoins) {
      At(now_ + 100 * kMs, [this, &node, process] {
        Deliver(node, process, [this, &node] {
          node.secret += "+";
          Feed(node, JoinWanted{{{"host", node.seat}}, node.secret, 0, store::kNoLease});
        });
      });
    }
  }
  void Do(Node&, const Notice&) {}

  void KeepLoop(Node& node, store::LeaseId lease) {
    if (node.keeping != lease)
      return;
    const int process = node.process;
    const TimeMs sent = LocalMs(node);
    Ask(
        node,
        [this, &node, lease, sent]() -> std::function<void()> {
          const bool there = store_.Keep(lease, now_);
          return [this, &node, lease, sent, there] {
            if (there)
              Feed(node, LeaseKept{lease, sent, kTtl});
            else if (node.keeping == lease)
              Feed(node, LeaseLost{lease});
          };
        },
        [] {});
    At(now_ + 1500 * kMs, [this, &node, process, lease] {
      Deliver(node, process, [this, &node, lease] { KeepLoop(node, lease); });
    });
  }

  // Deliveries to one node keep their order; a broken stream lists again or resumes.
  void OpenWatch(Node& node) {
    Ask(
        node,
        [this, &node]() -> std::function<void()> {
          const store::Listing listing = store_.List();
          return [this, &node, listing] {
            node.watched = listing.revision;
            node.watching = true;
            Feed(node, Listed{listing});
            WatchLoop(node);
          };
        },
        [this, &node] { OpenWatch(node); });
  }
  void WatchLoop(Node& node) {
    const int process = node.process;
    const SimTime next = now_ + 20 * kMs + Delay();
    At(next, [this, &node, process] {
      Deliver(node, process, [this, &node] {
        if (node.cut || !store_.available(now_)) {
          At(now_ + 300 * kMs, [this, &node, p = node.process] {
            Deliver(node, p, [this, &node] { WatchLoop(node); });
          });
          return;
        }
        if (Below(1000) == 0) {  // broken; compacted meanwhile
          OpenWatch(node);
          return;
        }
        const auto events = store_.Since(node.watched);
        if (!events.empty()) {
          node.watched = events.back().pair.modified;
          Feed(node, Changed{events});
        }
        WatchLoop(node);
      });
    });
  }
  void TickLoop(Node& node) {
    const int process = node.process;
    At(now_ + 50 * kMs, [this, &node, process] {
      Deliver(node, process, [this, &node] {
        Feed(node, Tick{});
        TickLoop(node);
      });
    });
  }

  // Looks at every view the store was given.
  void CheckNewViews() {
    const store::KeyValue* pair = store_.Find(ViewKey(kName));
    if (pair == nullptr || pair->modified == last_view_.epoch)
      return;
    const Outcome<View> decoded = DecodeView(pair->value, pair->modified);
    if (!decoded.ok())
      return Fail("unreadable view: " + decoded.Describe());
    const View& view = decoded.value();
    if (view.next_incarnation < last_view_.next_incarnation)
      Fail("incarnations counted backwards");
    for (const Member& member : view.members) {
      if (!last_view_.Contains(member.node, member.incarnation) &&
          !ever_.insert(member.incarnation).second)
        Fail("incarnation " + std::to_string(member.incarnation) + " came back");
    }
    for (const Member& member : last_view_.members) {
      if (view.Contains(member.node, member.incarnation))
        continue;
      const auto witness = authority_at_commit_.find(member.incarnation);
      if (witness != authority_at_commit_.end() && witness->second != committer_)
        Fail("incarnation " + std::to_string(member.incarnation) +
             " was removed while it had authority");
    }
    views_[view.epoch] = view;
    last_view_ = view;
  }

  void Fail(const std::string& what) {
    if (failure_.empty())
      failure_ = "at " + std::to_string(now_ / kMs) + " ms: " + what;
  }

  std::mt19937_64 random_;
  SimStore store_;
  SimTime now_ = 0;
  std::uint64_t order_ = 0;
  std::priority_queue<Item> queue_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::string failure_;
  View last_view_;
  std::map<Epoch, View> views_;
  std::set<Incarnation> ever_;
  std::map<Incarnation, const Node*> authority_at_commit_;
  const Node* committer_ = nullptr;
};

}  // namespace k42::view::testing
