#include "cluster-services/store/etcd_store.h"

#include <gtest/gtest.h>

#include <mutex>

#include "cluster-services/store/etcd_channel.h"
#include "cluster-services/store/etcd_streams.h"
#include "etcd/rpc.grpc.pb.h"
#include "unit/store/etcd_cluster.h"

namespace k42::store {
namespace {

using std::chrono::steady_clock;
using testing::EtcdCluster;

template <typename Condition>
bool Eventually(Condition condition, std::chrono::seconds limit = std::chrono::seconds(10)) {
  const auto until = steady_clock::now() + limit;
  while (steady_clock::now() < until) {
    if (condition())
      return true;
    std::this_thread::sleep_for(Milliseconds(10));
  }
  return condition();
}

class Recorder : public WatchHandler {
 public:
  void OnListing(const Listing& listing) override {
    std::lock_guard lock(mutex_);
    ++listings_;
    state_.clear();
    for (const KeyValue& pair : listing.pairs) state_[pair.key] = pair.value;
  }
  void OnEvents(Revision revision, const std::vector<Event>& events) override {
    std::lock_guard lock(mutex_);
    EXPECT_GT(revision, last_);
    last_ = revision;
    for (const Event& event : events) {
      history_.push_back((event.deleted ? "-" : "+") + event.pair.key + "=" + event.pair.value);
      if (event.deleted)
        state_.erase(event.pair.key);
      else
        state_[event.pair.key] = event.pair.value;
    }
  }
  void OnDisturbed(const std::string&) override {
    std::lock_guard lock(mutex_);
    ++disturbed_;
  }

  std::map<std::string, std::string> state() {
    std::lock_guard lock(mutex_);
    return state_;
  }
  std::vector<std::string> history() {
    std::lock_guard lock(mutex_);
    return history_;
  }
  int listings() {
    std::lock_guard lock(mutex_);
    return listings_;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> state_;
  std::vector<std::string> history_;
  Revision last_ = 0;
  int listings_ = 0;
  int disturbed_ = 0;
};

class OneMember : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    etcd_ = new EtcdCluster(1);
    etcd_->WaitReady();
  }
  static void TearDownTestSuite() {
    delete etcd_;
    etcd_ = nullptr;
  }
  void SetUp() override { store_ = etcd_->Open(); }

  static EtcdCluster* etcd_;
  std::unique_ptr<Store> store_;
};
EtcdCluster* OneMember::etcd_ = nullptr;

TEST_F(OneMember, PutsGetsListsDeletes) {
  EXPECT_FALSE(store_->Get("/a/none").value().has_value());
  const Revision put = store_->Put("/a/1", "one").value();
  ASSERT_TRUE(store_->Put("/a/2", std::string("t\0o", 3)).ok());
  ASSERT_TRUE(store_->Put("/ab", "outside the prefix").ok());
  const KeyValue pair = store_->Get("/a/1").value().value();
  EXPECT_EQ(pair.value, "one");
  EXPECT_EQ(pair.modified, put);
  EXPECT_EQ(pair.created, put);
  const Listing listing = store_->List("/a/").value();
  ASSERT_EQ(listing.pairs.size(), 2u);
  EXPECT_EQ(listing.pairs[1].value, std::string("t\0o", 3));
  ASSERT_TRUE(store_->Delete("/a/1").ok());
  EXPECT_EQ(store_->List("/a/")->pairs.size(), 1u);
}

// gRPC takes no more than 4 MiB in one message unless it is told to.
TEST_F(OneMember, AListingMayBeLarge) {
  constexpr int kPairs = 6;
  const std::string megabyte(1 << 20, 'x');
  for (int i = 0; i < kPairs; ++i)
    ASSERT_TRUE(store_->Put("/large/" + std::to_string(i), megabyte).ok());
  const auto listing = store_->List("/large/");
  ASSERT_TRUE(listing.ok()) << listing.Describe();
  EXPECT_EQ(listing->pairs.size(), kPairs);
  Recorder recorder;
  const auto watch = store_->WatchPrefix("/large/", recorder);
  EXPECT_TRUE(Eventually([&] { return recorder.state().size() == kPairs; }));
  for (int i = 0; i < kPairs; ++i) ASSERT_TRUE(store_->Delete("/large/" + std::to_string(i)).ok());
}

TEST_F(OneMember, CommitsAllOrNothing) {
  const Revision before = store_->Put("/t/x", "1").value();
  Transaction good;
  good.IfModifiedAt("/t/x", before).IfAbsent("/t/y").Put("/t/x", "2").Put("/t/y", "new");
  const Committed done = store_->Commit(good).value();
  EXPECT_TRUE(done.succeeded);
  EXPECT_EQ(store_->Get("/t/x").value()->modified, done.revision);
  EXPECT_EQ(store_->Get("/t/y").value()->modified, done.revision);
  EXPECT_FALSE(store_->Commit(good)->succeeded);  // stale
  Transaction created;
  created.IfCreatedAt("/t/x", before).Delete("/t/y");
  EXPECT_TRUE(store_->Commit(created)->succeeded);
  EXPECT_FALSE(store_->Get("/t/y").value().has_value());
}

struct LeaseWitness : LeaseHandler {
  std::atomic<int> kept{0};
  std::atomic<bool> lost{false};
  std::atomic<std::int64_t> ttl{0};
  void OnKept(SteadyTime sent, std::chrono::seconds granted) override {
    EXPECT_LE(sent, steady_clock::now());
    ttl = granted.count();
    ++kept;
  }
  void OnLost() override { lost = true; }
};

TEST_F(OneMember, KeepsALeaseAndLearnsItsEnd) {
  const Lease lease = store_->GrantLease(std::chrono::seconds(2)).value();
  ASSERT_TRUE(store_->Put("/l/mine", "x", lease.id).ok());
  EXPECT_EQ(store_->Get("/l/mine").value()->lease, lease.id);
  LeaseWitness witness;
  auto keeper = store_->KeepLease(lease.id, Milliseconds(200), witness);
  EXPECT_TRUE(Eventually([&] { return witness.kept >= 20; }));  // longer than its TTL
  EXPECT_EQ(witness.ttl, 2);
  EXPECT_TRUE(store_->Get("/l/mine").value().has_value());
  ASSERT_TRUE(store_->RevokeLease(lease.id).ok());
  EXPECT_TRUE(Eventually([&] { return witness.lost.load(); }));
  EXPECT_FALSE(store_->Get("/l/mine").value().has_value());
  EXPECT_TRUE(store_->RevokeLease(lease.id).ok());  // again: nothing to do
  EXPECT_EQ(store_->Put("/l/mine", "x", lease.id).status(), Status::kNotFound);
}

TEST_F(OneMember, ALeaseNobodyKeepsEnds) {
  const Lease lease = store_->GrantLease(std::chrono::seconds(1)).value();
  ASSERT_TRUE(store_->Put("/l/short", "x", lease.id).ok());
  EXPECT_TRUE(Eventually([&] { return !store_->Get("/l/short").value().has_value(); }));
}

TEST_F(OneMember, WatchListsThenFollows) {
  ASSERT_TRUE(store_->Put("/w/old", "0").ok());
  Recorder recorder;
  auto watch = store_->WatchPrefix("/w/", recorder);
  ASSERT_TRUE(Eventually([&] { return recorder.listings() == 1; }));
  EXPECT_EQ(recorder.state(), (std::map<std::string, std::string>{{"/w/old", "0"}}));
  Transaction both;
  both.Put("/w/a", "1").Put("/w/b", "2");
  ASSERT_TRUE(store_->Commit(both).ok());
  ASSERT_TRUE(store_->Put("/elsewhere", "x").ok());
  ASSERT_TRUE(store_->Delete("/w/old").ok());
  ASSERT_TRUE(Eventually([&] { return recorder.history().size() == 3; }));
  EXPECT_EQ(recorder.history(), (std::vector<std::string>{"+/w/a=1", "+/w/b=2", "-/w/old="}));
}

TEST_F(OneMember, ManyWatchesStopAtOnce) {
  Recorder recorder;
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < 20; ++i) watches.push_back(store_->WatchPrefix("/many/", recorder));
  const auto begin = steady_clock::now();
  watches.clear();
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST_F(OneMember, WatchFromCompactedHistoryListsAgain) {
  auto channel = MakeChannel({.endpoints = etcd_->endpoints()}).value();
  const Revision first = store_->Put("/c/gone", "x").value();
  ASSERT_TRUE(store_->Delete("/c/gone").ok());
  const Revision last = store_->Put("/c/here", "y").value();
  auto stub = etcdserverpb::KV::NewStub(channel);
  etcdserverpb::CompactionRequest request;
  request.set_revision(last);
  etcdserverpb::CompactionResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(stub->Compact(&context, request, &response).ok());
  Recorder recorder;
  auto watch = StartEtcdWatch(channel, *store_, "/c/", recorder, first);
  EXPECT_TRUE(Eventually([&] { return recorder.listings() == 1; }));
  EXPECT_EQ(recorder.state(), (std::map<std::string, std::string>{{"/c/here", "y"}}));
  ASSERT_TRUE(store_->Put("/c/next", "z").ok());
  EXPECT_TRUE(Eventually([&] { return recorder.history().size() == 1; }));
}

TEST(Restart, WatchLosesNothingAndLeaseGoesOn) {
  EtcdCluster etcd(1);
  etcd.WaitReady();
  auto store = etcd.Open();
  Recorder recorder;
  auto watch = store->WatchPrefix("/r/", recorder);
  // Else the first put may be in the first listing, and is no change.
  ASSERT_TRUE(Eventually([&] { return recorder.listings() == 1; }));
  const Lease lease = store->GrantLease(std::chrono::seconds(5)).value();
  LeaseWitness witness;
  auto keeper = store->KeepLease(lease.id, Milliseconds(300), witness);
  ASSERT_TRUE(store->Put("/r/1", "a").ok());
  ASSERT_TRUE(Eventually([&] { return recorder.history().size() == 1; }));
  etcd.KillMember(0);
  EXPECT_EQ(store->Get("/r/1", Milliseconds(500)).status(), Status::kUnavailable);
  EXPECT_EQ(store->Put("/r/2", "b", kNoLease, Milliseconds(500)).status(), Status::kUnavailable);
  etcd.StartMember(0);
  ASSERT_TRUE(Eventually([&] { return store->Put("/r/2", "b").ok(); }));
  ASSERT_TRUE(store->Put("/r/3", "c").ok());
  EXPECT_TRUE(Eventually([&] { return recorder.history().size() == 3; }));
  EXPECT_EQ(recorder.listings(), 1);
  const int kept = witness.kept;
  EXPECT_TRUE(Eventually([&] { return witness.kept > kept + 3; }));
  EXPECT_FALSE(witness.lost);
}

TEST(ThreeMembers, SurviveTheDeathAndTheHangOfOne) {
  EtcdCluster etcd(3);
  etcd.WaitReady();
  auto store = etcd.Open();
  Recorder recorder;
  auto watch = store->WatchPrefix("/m/", recorder);
  ASSERT_TRUE(Eventually([&] { return recorder.listings() >= 1; }));
  std::size_t done = 0;
  auto put_some = [&](int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(Eventually([&] {
        return store->Put("/m/k", std::to_string(done), kNoLease, Milliseconds(1500)).ok();
      })) << "no put succeeds";
      ++done;
    }
  };
  put_some(5);
  for (int victim = 0; victim < 2; ++victim) {  // one of the two is the leader, or elects one
    etcd.KillMember(victim);
    put_some(5);
    etcd.StartMember(victim);
    etcd.WaitReady();  // or the next death would take the majority
    put_some(5);
  }
  etcd.SignalMember(2, SIGSTOP);
  for (int i = 0; i < 5; ++i)  // each within its deadline: another member is asked in time
    EXPECT_TRUE(store->Get("/m/k", Milliseconds(4000)).ok());
  put_some(3);
  etcd.SignalMember(2, SIGCONT);
  put_some(2);
  const std::string last = std::to_string(done - 1);
  EXPECT_TRUE(Eventually([&] { return recorder.state()["/m/k"] == last; }));
}

TEST(Errors, SayWhatIsWrong) {
  EXPECT_EQ(OpenEtcd({}).status(), Status::kInvalidArgument);
  EXPECT_EQ(OpenEtcd({.endpoints = {"nonsense"}}).status(), Status::kInvalidArgument);
  EXPECT_EQ(OpenEtcd({.endpoints = {"127.0.0.1:1"}, .ca_file = "/no/such/file"}).status(),
            Status::kNotFound);
  auto nobody = OpenEtcd({.endpoints = {"127.0.0.1:1"}});
  const auto begin = steady_clock::now();
  const auto answer = nobody.value()->Put("/x", "y", kNoLease, Milliseconds(300));
  EXPECT_EQ(answer.status(), Status::kUnavailable) << answer.Describe();
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(nobody.value()->GrantLease(std::chrono::seconds(5), Milliseconds(300)).status(),
            Status::kUnavailable);
}

}  // namespace
}  // namespace k42::store
