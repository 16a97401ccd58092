// Drives view::Membership and names::NameTree with a store.
//
// Threads:  loop_    owns the state machines; calls the Listener
//           worker_  makes the store's blocking calls, one at a time, in order
//           and the store's own for the watch and the keepalives, which only post to loop_.
// Locking:  mutex_ guards what other threads read: published_, names_, own_names_, fence_. loop_
// alone writes it.
#include "cluster-services/agent/cluster_agent.h"

#include <sys/random.h>

#include <atomic>
#include <mutex>

#include "cluster-services/agent/load.h"
#include "cluster-services/agent/own_names.h"
#include "cluster-services/agent/task_thread.h"
#include "cluster-services/view/membership.h"

namespace k42::agent {
namespace {

using std::chrono::steady_clock;
using view::TimeMs;
constexpr store::Milliseconds kKeepPeriod{1200};  // four tries within a TTL of 5 s
constexpr TimeMs kBindAgain = 500;  // names that a lease has taken with it are tried this often
constexpr TimeMs kLoadPeriod = 2000;
constexpr TimeMs kLoadRefresh = 20'000;  // an unchanged load is said again this often

TimeMs ToMs(store::SteadyTime time) {
  return std::chrono::duration_cast<store::Milliseconds>(time.time_since_epoch()).count();
}
TimeMs NowMs() {
  return ToMs(steady_clock::now());
}

std::string RandomSecret() {
  unsigned char bytes[32];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
    std::abort();  // a cluster with guessable secrets must not run
  std::string text;
  for (unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

class Agent final : public ClusterAgent, store::WatchHandler {
 public:
  Agent(Options options, store::Store& store, Listener& listener)
      : options_(std::move(options)),
        store_(store),
        listener_(listener),
        machine_({options_.cluster, options_.node, options_.seat, options_.digest,
                  options_.lease_ttl.count() * 1000}),
        names_(options_.cluster),
        own_names_(options_.cluster, options_.node),
        published_(std::make_shared<Installed>()),
        loop_([this] { return AfterEach(); }) {
    watch_ = store_.WatchPrefix(view::Root(options_.cluster) + "/", *this);
  }
  ~Agent() override {
    watch_.reset();
    worker_.Stop();
    loop_.Stop();
    keeper_.reset();
  }

  void Join(std::map<std::string, std::string> attributes, Adopted adopted) override {
    view::JoinWanted wanted{std::move(attributes), adopted.secret, adopted.incarnation,
                            adopted.lease};
    if (wanted.secret.empty())
      wanted.secret = RandomSecret();
    Feed(std::move(wanted));
  }

  void Leave(const std::string& why) override {
    loop_.Post([this, why] {
      listener_.OnNotice("leaving: " + why);
      Step(view::LeaveWanted{});
    });
  }

  void ReportLoad(const LoadReport& load) override {
    loop_.Post([this, load] { load_ = load; });
  }

  bool HasAuthority() const override { return NowMs() < authority_until_; }

  std::uint64_t AuthorityUntilNs() const override {
    return static_cast<std::uint64_t>(authority_until_) * 1'000'000;
  }

  std::shared_ptr<const Installed> Current() const override {
    std::lock_guard lock(mutex_);
    return published_;
  }

  store::LeaseId Lease() const override {
    std::lock_guard lock(mutex_);
    return fence_.record_created == 0 ? store::kNoLease : fence_.lease;
  }

  std::optional<names::Binding> Lookup(const std::string& path) const override {
    std::lock_guard lock(mutex_);
    const names::Binding* binding = names_.Find(path);
    return binding == nullptr ? std::nullopt : std::optional(*binding);
  }

  std::vector<names::Binding> ListNames(const std::string& prefix) const override {
    std::lock_guard lock(mutex_);
    return names_.List(prefix);
  }

  Outcome<std::optional<names::Binding>> Read(const std::string& path) const override {
    const auto found = store_.Get(names::NamesPrefix(options_.cluster) + path);
    if (!found.ok())
      return Outcome<std::optional<names::Binding>>::From(found);
    if (!found.value())
      return std::optional<names::Binding>();
    auto binding = names::Decode(options_.cluster, *found.value());
    if (!binding)  // it stands in the way of whoever thinks that there is none
      return {Status::kCorrupt, "the store's record of the name '" + path + "' is unreadable"};
    return binding;
  }

  Outcome<store::Revision> Bind(const std::string& path, const std::string& value, bool ephemeral,
                                store::Revision version) override {
    if (value.size() > names::kLongestValue)
      return {Status::kMessageTooLong,
              "a name's value has at most " + std::to_string(names::kLongestValue) + " bytes"};
    Fence fence;
    Outcome<store::Transaction> change = StartChange(path, version, fence);
    if (!change.ok())
      return Outcome<store::Revision>::From(change);
    names::Binding binding{path, value, 0, 0, 0};
    if (ephemeral) {
      binding.owner = options_.node;
      binding.incarnation = fence.incarnation;
    }
    change.value().Put(names::NamesPrefix(options_.cluster) + path, names::Encode(binding),
                       ephemeral ? fence.lease : store::kNoLease);
    return EndChange(change.value(), path);
  }

  Outcome<Done> Unbind(const std::string& path, store::Revision version) override {
    Fence fence;
    Outcome<store::Transaction> change = StartChange(path, version, fence);
    if (!change.ok())
      return Outcome<Done>::From(change);
    change.value().Delete(names::NamesPrefix(options_.cluster) + path);
    const Outcome<store::Revision> ended = EndChange(change.value(), path);
    return ended.ok() ? Outcome<Done>(Done{}) : Outcome<Done>::From(ended);
  }

 private:
  // By which the store itself refuses what an excluded incarnation still tries.
  struct Fence {
    store::Revision record_created = 0;  // 0: not a member
    view::Incarnation incarnation = 0;
    store::LeaseId lease = store::kNoLease;
  };

  class Keeper : public store::LeaseHandler {
   public:
    Keeper(Agent& agent, store::LeaseId lease) : agent_(agent), lease_(lease) {
      keeper_ = agent_.store_.KeepLease(lease, kKeepPeriod, *this);
    }
    void OnKept(store::SteadyTime sent, std::chrono::seconds ttl) override {
      agent_.Feed(view::LeaseKept{lease_, ToMs(sent), ttl.count() * 1000});
    }
    void OnLost() override { agent_.Feed(view::LeaseLost{lease_}); }

   private:
    Agent& agent_;
    const store::LeaseId lease_;
    std::unique_ptr<store::LeaseKeeper> keeper_;
  };

  // -- from the store's threads --
  void OnListing(const store::Listing& listing) override {
    loop_.Post([this, listing] {
      loads_.clear();
      for (const store::KeyValue& pair : listing.pairs) SeeLoad(pair, false);
      TellNames([&] {
        own_names_.OnListing(listing);
        return names_.OnListing(listing);
      });
      Step(view::Listed{listing});
    });
  }
  void OnEvents(store::Revision, const std::vector<store::Event>& events) override {
    loop_.Post([this, events] {
      for (const store::Event& event : events) SeeLoad(event.pair, event.deleted);
      TellNames([&] {
        own_names_.OnEvents(events);
        return names_.OnEvents(events);
      });
      Step(view::Changed{events});
    });
  }
  void OnDisturbed(const std::string& why) override {
    loop_.Post([this, why] { listener_.OnNotice("store: " + why); });
  }

  void Feed(view::Event event) {
    loop_.Post([this, event = std::move(event)] { Step(event); });
  }

  // -- on the loop --
  void Step(const view::Event& event) {
    const auto actions = machine_.Step(event, NowMs());
    // What it gives up by them is gone before another node can learn of it.
    if (machine_.authority_until() < authority_until_)
      authority_until_ = machine_.authority_until();
    for (const view::Action& action : actions)
      std::visit([this](const auto& one) { Do(one); }, action);
  }

  TaskThread::Time AfterEach() {
    const TimeMs now = NowMs();
    if (now >= machine_.next_tick())
      Step(view::Tick{});
    TimeMs next = machine_.next_tick();
    if (machine_.member())
      next = std::min(next, WriteLoad(now));
    authority_until_ = machine_.authority_until();
    if (Publish() && machine_.member())
      listener_.OnView(*published_, {});
    next = std::min(next, BindAgain(now));
    return next == INT64_MAX ? TaskThread::Time::max()
                             : TaskThread::Time(store::Milliseconds(std::max(next, now + 1)));
  }

  void Do(const view::AskLease&) {
    worker_.Post([this] {
      const Outcome<store::Lease> lease = store_.GrantLease(options_.lease_ttl);
      if (lease.ok())
        Feed(view::LeaseGranted{lease->id, ToMs(lease->sent), lease->ttl.count() * 1000});
      else
        Feed(view::LeaseRefused{lease.Describe()});
    });
  }
  void Do(const view::KeepLease& keep) {
    keeper_.reset();
    lease_ = keep.lease;
    written_.reset();
    keeper_ = std::make_unique<Keeper>(*this, keep.lease);
    if (machine_.member())
      listener_.OnLease(keep.lease);
  }
  void Do(const view::EndLease& end) {
    keeper_.reset();
    lease_ = store::kNoLease;
    written_.reset();  // it goes with the lease
    worker_.Post([this, end] { (void)store_.RevokeLease(end.lease).ok(); });
  }
  void Do(const view::Commit& commit) {
    worker_.Post([this, commit] {
      const Outcome<store::Committed> done = store_.Commit(commit.transaction);
      Feed(view::CommitEnded{commit.id, done.ok() && done->succeeded,
                             done.ok() ? std::string() : done.Describe()});
    });
  }
  void Do(const view::Joined& joined) {
    listener_.OnJoined({joined.incarnation, joined.lease, joined.secret});
  }
  void Do(const view::Install& install) {
    TellNames([&] { return names_.OnView(install.view); });
    (void)Publish();
    listener_.OnView(*published_, install.gone);
  }
  void Do(const view::Excluded& excluded) {
    authority_until_ = 0;
    (void)Publish();
    listener_.OnExcluded(excluded.why);
  }
  void Do(const view::Notice& notice) { listener_.OnNotice(notice.text); }

  void SeeLoad(const store::KeyValue& pair, bool deleted) {
    const view::NodeId node = NodeOfLoadKey(options_.cluster, pair.key);
    if (node == 0)
      return;
    const std::optional<LoadReport> load = deleted ? std::nullopt : DecodeLoad(pair.value);
    if (load)
      loads_[node] = *load;
    else
      loads_.erase(node);
  }

  // Writes the load when it is time; when to look again.
  TimeMs WriteLoad(TimeMs now) {
    if (!load_ || lease_ == store::kNoLease)
      return INT64_MAX;
    if (now < next_load_)
      return next_load_;
    next_load_ = now + kLoadPeriod;
    if (!written_ || Differs(*load_, *written_) || now >= load_refresh_) {
      written_ = load_;
      load_refresh_ = now + kLoadRefresh;
      worker_.Post([this, load = *load_, lease = lease_] {
        (void)store_.Put(LoadKey(options_.cluster, options_.node), Encode(load), lease).ok();
      });
    }
    return next_load_;
  }

  // Binds the names that went with an earlier lease to this one; when to look again.
  TimeMs BindAgain(TimeMs now) {
    std::vector<names::Binding> lost;
    Fence fence;
    {
      std::lock_guard lock(mutex_);
      fence = fence_;
      if (fence.record_created == 0)
        return INT64_MAX;
      lost = own_names_.Lost(fence.incarnation);
    }
    if (lost.empty() || binding_again_)
      return INT64_MAX;
    if (now < next_bind_)
      return next_bind_;
    next_bind_ = now + kBindAgain;
    binding_again_ = true;
    worker_.Post([this, fence, lost = std::move(lost)] {
      for (const names::Binding& name : lost) {
        const std::string key = names::NamesPrefix(options_.cluster) + name.path;
        store::Transaction change;
        change.IfCreatedAt(view::MemberKey(options_.cluster, options_.node), fence.record_created)
            .IfAbsent(key)
            .Put(key, names::Encode(name), fence.lease);
        (void)store_.Commit(change).ok();  // the watch shows whether it was made
      }
      loop_.Post([this] { binding_again_ = false; });
    });
    return INT64_MAX;
  }

  template <typename Change>
  void TellNames(Change change) {
    std::vector<std::string> paths;
    {
      std::lock_guard lock(mutex_);
      paths = change();
    }
    if (!paths.empty())
      listener_.OnNames(paths);
  }

  // True when a member's record has changed and the view has not.
  bool Publish() {
    auto next = std::make_shared<Installed>();
    next->view = machine_.installed();
    for (const auto& [node, record] : machine_.records()) {
      if (next->view.Contains(node, record.incarnation))
        next->records.emplace(node, record);
    }
    next->loads = loads_;
    std::lock_guard lock(mutex_);
    fence_ = {machine_.own_record_created(), machine_.incarnation(), lease_};
    const bool same_view = next->view == published_->view;
    const bool same_records = next->records == published_->records;
    if (!same_view || !same_records || next->loads != published_->loads)
      published_ = std::move(next);
    return same_view && !same_records;
  }

  // -- on the caller's thread --
  Outcome<store::Transaction> StartChange(const std::string& path, store::Revision version,
                                          Fence& fence) {
    if (!names::ValidPath(path))
      return {Status::kInvalidArgument, "'" + path + "' is no name"};
    {
      std::lock_guard lock(mutex_);
      fence = fence_;
      version = own_names_.Current(path, version);
    }
    if (!HasAuthority() || fence.record_created == 0)
      return {Status::kUnavailable, "this node has no certain lease now; try again"};
    store::Transaction change;
    const std::string key = names::NamesPrefix(options_.cluster) + path;
    change.IfCreatedAt(view::MemberKey(options_.cluster, options_.node), fence.record_created);
    if (version == 0)
      change.IfAbsent(key);
    else
      change.IfModifiedAt(key, version);
    return change;
  }
  Outcome<store::Revision> EndChange(const store::Transaction& change, const std::string& path) {
    const Outcome<store::Committed> done = store_.Commit(change);
    if (!done.ok())
      return Outcome<store::Revision>::From(done);
    if (!done->succeeded)
      return {Status::kAlreadyExists, "'" + path + "' has changed, or this node is excluded"};
    return store::Revision{done->revision};
  }

  const Options options_;
  store::Store& store_;
  Listener& listener_;

  // The loop's.
  view::Membership machine_;
  std::map<view::NodeId, LoadReport> loads_;
  std::optional<LoadReport> load_;
  std::optional<LoadReport> written_;
  TimeMs next_load_ = 0;
  TimeMs load_refresh_ = 0;
  store::LeaseId lease_ = store::kNoLease;
  std::unique_ptr<Keeper> keeper_;
  bool binding_again_ = false;  // the worker is at it
  TimeMs next_bind_ = 0;

  std::atomic<TimeMs> authority_until_{0};
  mutable std::mutex mutex_;
  names::NameTree names_;
  OwnNames own_names_;
  std::shared_ptr<Installed> published_;
  Fence fence_;

  std::unique_ptr<store::Watch> watch_;
  TaskThread worker_;
  TaskThread loop_;  // last: starts when the rest is there
};

}  // namespace

std::unique_ptr<ClusterAgent> ClusterAgent::Create(Options options, store::Store& store,
                                                   Listener& listener) {
  return std::make_unique<Agent>(std::move(options), store, listener);
}

}  // namespace k42::agent
