// Agents of several nodes against a real etcd.
#include "cluster-services/agent/cluster_agent.h"

#include <gtest/gtest.h>

#include <mutex>

#include "cluster-services/agent/load.h"
#include "unit/store/etcd_cluster.h"

namespace k42::agent {
namespace {

using std::chrono::steady_clock;

template <typename Condition>
bool Eventually(Condition condition, std::chrono::seconds limit = std::chrono::seconds(12)) {
  const auto until = steady_clock::now() + limit;
  while (steady_clock::now() < until) {
    if (condition())
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

class Node : public Listener {
 public:
  Node(const testing::EtcdCluster& etcd, view::NodeId id, const std::string& seat = "")
      : store_(etcd.Open()) {
    agent_ = ClusterAgent::Create({"t", id, seat.empty() ? "seat" + std::to_string(id) : seat, "d"},
                                  *store_, *this);
  }
  ClusterAgent& agent() { return *agent_; }
  store::Store& store() { return *store_; }
  void Die() { agent_.reset(); }
  void LeaseMayEnd() {
    std::lock_guard lock(mutex_);
    lease_may_end_ = true;
  }

  Adopted life() {
    std::lock_guard lock(mutex_);
    return life_;
  }
  store::LeaseId lease() {
    std::lock_guard lock(mutex_);
    return lease_;
  }
  int excluded() {
    std::lock_guard lock(mutex_);
    return excluded_;
  }
  std::vector<view::Member> gone() {
    std::lock_guard lock(mutex_);
    return gone_;
  }
  std::string notices() {
    std::lock_guard lock(mutex_);
    return notices_;
  }
  bool Sees(std::size_t members) { return agent_->Current()->view.members.size() == members; }

 private:
  void OnJoined(const Adopted& life) override {
    std::lock_guard lock(mutex_);
    life_ = life;
    lease_ = life.lease;
  }
  void OnLease(store::LeaseId lease) override {
    std::lock_guard lock(mutex_);
    lease_ = lease;
  }
  void OnView(const Installed& installed, const std::vector<view::Member>& gone) override {
    std::lock_guard lock(mutex_);
    EXPECT_TRUE(lease_may_end_ || installed.records.contains(installed.view.members.front().node));
    gone_.insert(gone_.end(), gone.begin(), gone.end());
  }
  void OnExcluded(const std::string&) override {
    std::lock_guard lock(mutex_);
    ++excluded_;
  }
  void OnNotice(const std::string& text) override {
    std::lock_guard lock(mutex_);
    notices_ += text + "\n";
  }

  std::mutex mutex_;
  Adopted life_;
  store::LeaseId lease_ = store::kNoLease;
  bool lease_may_end_ = false;
  int excluded_ = 0;
  std::vector<view::Member> gone_;
  std::string notices_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<ClusterAgent> agent_;
};

class Agents : public ::testing::Test {
 protected:
  Agents() : etcd_(1) { etcd_.WaitReady(); }
  testing::EtcdCluster etcd_;
};

TEST_F(Agents, JoinSeeEachOtherAndTheDeath) {
  Node one(etcd_, 1);
  Node two(etcd_, 2);
  Node three(etcd_, 3);
  one.agent().Join({{"ucx.address", "1"}});
  two.agent().Join({{"ucx.address", "2"}});
  three.agent().Join({{"ucx.address", "3"}});
  ASSERT_TRUE(Eventually([&] { return one.Sees(3) && two.Sees(3) && three.Sees(3); }))
      << one.notices();
  const auto current = one.agent().Current();
  EXPECT_EQ(current->records.at(2).attributes.at("ucx.address"), "2");
  EXPECT_EQ(current->records.at(2).secret, two.life().secret);
  EXPECT_EQ(current->records.at(2).secret.size(), 64u);
  EXPECT_TRUE(Eventually([&] { return one.agent().HasAuthority(); }));

  // Gone without a word: the lease tells, after the TTL, and not before the grace after joining.
  const auto began = steady_clock::now();
  three.Die();
  constexpr std::chrono::seconds kLimit(20);
  ASSERT_TRUE(Eventually([&] { return one.Sees(2) && two.Sees(2); }, kLimit));
  EXPECT_GT(steady_clock::now() - began, std::chrono::seconds(3));
  EXPECT_EQ(one.gone().at(0).node, 3u);

  // Evidence: at once.
  const auto left = steady_clock::now();
  two.agent().Leave("QEMU is gone");
  ASSERT_TRUE(Eventually([&] { return one.Sees(1); }));
  EXPECT_LT(steady_clock::now() - left, std::chrono::seconds(2));
  EXPECT_FALSE(two.agent().HasAuthority());
  const view::Incarnation before = two.life().incarnation;
  two.agent().Join({});
  ASSERT_TRUE(Eventually([&] { return one.Sees(2); }));
  // The others may see it before its own answer from the store has come.
  EXPECT_TRUE(Eventually([&] { return two.life().incarnation > before; }));
}

TEST_F(Agents, ANewDaemonAdoptsTheLife) {
  Node one(etcd_, 1);
  one.agent().Join({});
  Node two(etcd_, 2);
  two.agent().Join({{"generation", "1"}});
  // The others may see it before its own answer from the store has come.
  ASSERT_TRUE(Eventually([&] { return one.Sees(2) && two.life().incarnation != 0; }));
  const Adopted life = two.life();
  const view::Epoch epoch = one.agent().Current()->view.epoch;
  two.Die();
  Node again(etcd_, 2);
  again.agent().Join({{"generation", "2"}}, life);
  ASSERT_TRUE(Eventually([&] { return again.agent().HasAuthority(); }));
  EXPECT_EQ(again.life().incarnation, life.incarnation);
  EXPECT_TRUE(Eventually(
      [&] { return one.agent().Current()->records.at(2).attributes.at("generation") == "2"; }));
  EXPECT_EQ(one.agent().Current()->view.epoch, epoch);  // nobody had to notice
}

// The record went while the daemon was away; the view has not lost us yet.
TEST_F(Agents, ALifeWithoutARecordIsAdoptedWithItsSecret) {
  Node one(etcd_, 1);
  one.agent().Join({});
  Node two(etcd_, 2);
  two.agent().Join({});
  ASSERT_TRUE(Eventually([&] { return one.Sees(2); }));
  ASSERT_TRUE(Eventually([&] { return two.life().incarnation != 0; }));
  const Adopted life = two.life();
  two.Die();
  ASSERT_TRUE(one.store().RevokeLease(life.lease).ok());
  ASSERT_TRUE(Eventually([&] { return !one.agent().Current()->records.contains(2); }));
  Node again(etcd_, 2);
  again.agent().Join({}, life);
  ASSERT_TRUE(Eventually([&] { return again.life().incarnation == life.incarnation; }));
  EXPECT_EQ(again.life().secret, life.secret);
  ASSERT_TRUE(Eventually([&] { return one.agent().Current()->records.contains(2); }));
  EXPECT_EQ(one.agent().Current()->records.at(2).secret, life.secret);
}

TEST_F(Agents, ALeaseThatEndsIsReplacedAndNamesFollow) {
  Node one(etcd_, 1);
  one.agent().Join({});
  ASSERT_TRUE(Eventually([&] { return one.agent().HasAuthority(); }));
  ASSERT_TRUE(Eventually([&] { return one.life().incarnation != 0; }));
  const Adopted life = one.life();
  EXPECT_EQ(one.agent().Lease(), life.lease);
  const store::Revision given = one.agent().Bind("svc/mine", "here", true).value();
  ASSERT_TRUE(one.agent().Bind("svc/lasts", "always", false).ok());
  const auto over = one.agent().Bind("svc/over", "x", true);
  ASSERT_TRUE(one.agent().Unbind("svc/over", over.value()).ok());
  ASSERT_TRUE(Eventually([&] { return one.agent().ListNames("svc").size() == 2; }));

  one.LeaseMayEnd();
  ASSERT_TRUE(one.store().RevokeLease(life.lease).ok());
  ASSERT_TRUE(Eventually([&] { return one.lease() != life.lease; }));
  ASSERT_TRUE(Eventually([&] { return one.agent().Lease() == one.lease(); }));
  EXPECT_EQ(one.life().incarnation, life.incarnation);
  EXPECT_EQ(one.excluded(), 0);
  ASSERT_TRUE(Eventually([&] {
    const auto found = one.agent().Lookup("svc/mine");
    return found && found->version != given;
  }));
  EXPECT_EQ(one.agent().Lookup("svc/mine")->value, "here");
  EXPECT_EQ(one.agent().Lookup("svc/mine")->incarnation, life.incarnation);
  EXPECT_FALSE(one.agent().Lookup("svc/over"));
  EXPECT_EQ(one.agent().Lookup("svc/lasts")->value, "always");
  // The binder knows the version that it was given.
  ASSERT_TRUE(Eventually([&] { return one.agent().HasAuthority(); }));
  EXPECT_TRUE(one.agent().Unbind("svc/mine", given).ok());
}

TEST_F(Agents, TheStoreMayBeAway) {
  Node one(etcd_, 1);
  Node two(etcd_, 2);
  one.agent().Join({});
  two.agent().Join({});
  ASSERT_TRUE(Eventually([&] { return one.Sees(2) && two.Sees(2) && one.agent().HasAuthority(); }));
  etcd_.KillMember(0);
  EXPECT_TRUE(Eventually([&] { return !one.agent().HasAuthority(); }));
  EXPECT_EQ(one.agent().Bind("x", "y", false).status(), Status::kUnavailable);
  EXPECT_TRUE(one.Sees(2));
  std::this_thread::sleep_for(std::chrono::seconds(3));
  etcd_.StartMember(0);
  EXPECT_TRUE(Eventually([&] { return one.agent().HasAuthority() && two.agent().HasAuthority(); }));
  EXPECT_TRUE(one.Sees(2));
  EXPECT_TRUE(one.gone().empty());
  EXPECT_EQ(two.excluded(), 0);
}

TEST_F(Agents, NamesAreBoundOnceAndGoWithTheirOwner) {
  Node one(etcd_, 1);
  Node two(etcd_, 2);
  one.agent().Join({});
  two.agent().Join({});
  ASSERT_TRUE(Eventually([&] { return one.agent().HasAuthority() && two.agent().HasAuthority(); }));
  const store::Revision version = one.agent().Bind("svc/a", "1", false).value();
  EXPECT_EQ(two.agent().Bind("svc/a", "2", false).status(), Status::kAlreadyExists);
  ASSERT_TRUE(Eventually([&] { return two.agent().Lookup("svc/a").has_value(); }));
  EXPECT_EQ(two.agent().Lookup("svc/a")->version, version);
  ASSERT_TRUE(two.agent().Bind("svc/a", "2", false, version).ok());
  EXPECT_EQ(one.agent().Unbind("svc/a", version).status(), Status::kAlreadyExists);
  ASSERT_TRUE(two.agent().Bind("svc/b", "mine", true).ok());
  ASSERT_TRUE(Eventually([&] { return one.agent().ListNames("svc").size() == 2; }));
  two.agent().Leave("test");
  ASSERT_TRUE(Eventually([&] { return one.agent().ListNames("svc").size() == 1; }));
  EXPECT_EQ(one.agent().Lookup("svc/a")->value, "2");
  EXPECT_EQ(one.agent().Bind("../x", "", false).status(), Status::kInvalidArgument);
  const std::string longest(names::kLongestValue, 'x');
  EXPECT_TRUE(one.agent().Bind("svc/long", longest, false).ok());
  EXPECT_EQ(one.agent().Bind("svc/longer", longest + "x", false).status(), Status::kMessageTooLong);
  EXPECT_EQ(one.agent().Read("svc/long").value()->value, longest);
  EXPECT_FALSE(one.agent().Read("svc/longer").value().has_value());
  ASSERT_TRUE(one.store().Put(names::NamesPrefix("t") + "svc/odd", "no record", {}).ok());
  EXPECT_EQ(one.agent().Read("svc/odd").status(), Status::kCorrupt);
}

TEST_F(Agents, LoadReachesTheOthers) {
  Node one(etcd_, 1);
  Node two(etcd_, 2);
  one.agent().Join({});
  two.agent().Join({});
  two.agent().ReportLoad(
      {.cpus = 4, .runnable_x100 = 150, .memory_total = 1000, .memory_free = 600});
  ASSERT_TRUE(Eventually([&] { return one.agent().Current()->loads.contains(2); }));
  EXPECT_EQ(one.agent().Current()->loads.at(2).runnable_x100, 150u);
}

TEST(Load, DiffersWhenPlacementWould) {
  const LoadReport load{.cpus = 4, .runnable_x100 = 150, .memory_total = 1000, .memory_free = 600};
  LoadReport other = load;
  EXPECT_FALSE(Differs(load, other));
  other.runnable_x100 = 155;
  EXPECT_FALSE(Differs(load, other));
  other.runnable_x100 = 160;
  EXPECT_TRUE(Differs(load, other));
  other = load;
  other.draining = true;
  EXPECT_TRUE(Differs(load, other));
  EXPECT_EQ(DecodeLoad(Encode(other)), other);
  EXPECT_FALSE(DecodeLoad("nonsense").has_value());
}

}  // namespace
}  // namespace k42::agent
