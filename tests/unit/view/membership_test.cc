// Single steps of Membership, for reading; the schedules test drives it whole.
#include "cluster-services/view/membership.h"

#include <gtest/gtest.h>

#include "unit/view/sim_cluster.h"

namespace k42::view::testing {
namespace {

TEST(View, EncodesAndRefusesWhatItNeverWrote) {
  View view;
  view.next_incarnation = 9;
  view = view.With({3, 7, "d"}).With({1, 8, ""});
  view.epoch = 42;
  EXPECT_EQ(DecodeView(Encode(view), 42).value(), view);
  EXPECT_EQ(view.members.front().node, 1u);
  EXPECT_TRUE(view.Contains(3, 7));
  EXPECT_FALSE(view.Without(3).Contains(3, 7));
  for (const char* text :
       {"", "{}", "[]",
        R"({"next_incarnation":1,"members":[{"node":1,"incarnation":1,"digest":""}]})",
        R"({"next_incarnation":9,"members":[{"node":300,"incarnation":1,"digest":""}]})",
        R"({"next_incarnation":9,"members":[{"node":2,"incarnation":1,"digest":""},)"
        R"({"node":2,"incarnation":3,"digest":""}]})"})
    EXPECT_EQ(DecodeView(text, 1).status(), Status::kCorrupt) << text;
  EXPECT_EQ(DecodeMember("{\"node\":\"x\"}").status(), Status::kCorrupt);
}

TEST(Membership, JoinsAlone) {
  SimCluster cluster(1);
  auto& node = cluster.AddNode(1, "seat");
  cluster.StartProcess(node);
  cluster.RunUntil(2000 * kMs);
  EXPECT_TRUE(node.machine->member());
  EXPECT_TRUE(cluster.HasAuthority(node));
  EXPECT_EQ(node.machine->installed().members.size(), 1u);
  EXPECT_NE(node.machine->own_record_created(), 0);
}

TEST(Membership, AnotherSeatWaitsUntilTheLeaseEnds) {
  SimCluster cluster(2);
  auto& first = cluster.AddNode(1, "first");
  auto& second = cluster.AddNode(1, "second");
  cluster.StartProcess(first);
  cluster.RunUntil(1000 * kMs);
  cluster.StartProcess(second);
  cluster.RunUntil(20'000 * kMs);
  EXPECT_TRUE(first.machine->member());
  EXPECT_FALSE(second.machine->member());
  cluster.KillProcess(first);
  cluster.RunUntil(30'000 * kMs);
  EXPECT_TRUE(second.machine->member());
  EXPECT_EQ(cluster.failure(), "");
}

TEST(Membership, TheSameSeatReplacesItsEarlierLifeAtOnce) {
  SimCluster cluster(3);
  auto& node = cluster.AddNode(1, "seat");
  cluster.StartProcess(node);
  cluster.RunUntil(1000 * kMs);
  const Incarnation before = node.machine->incarnation();
  cluster.KillProcess(node);
  cluster.StartProcess(node);
  cluster.RunUntil(2000 * kMs);  // well before the lease's end
  EXPECT_TRUE(node.machine->member());
  EXPECT_GT(node.machine->incarnation(), before);
}

TEST(Membership, ANewDaemonGoesOnWithTheSameLife) {
  SimCluster cluster(4);
  auto& node = cluster.AddNode(1, "seat");
  cluster.StartProcess(node);
  cluster.RunUntil(1000 * kMs);
  const Incarnation before = node.machine->incarnation();
  cluster.KillProcess(node);
  cluster.StartProcess(node, true);
  cluster.RunUntil(2000 * kMs);
  EXPECT_EQ(node.machine->incarnation(), before);
  EXPECT_TRUE(cluster.HasAuthority(node));
}

TEST(Membership, AMemberCutOffIsRemovedAndComesBackAsAnother) {
  SimCluster cluster(5);
  auto& one = cluster.AddNode(1, "one");
  auto& two = cluster.AddNode(2, "two");
  cluster.StartProcess(one);
  cluster.StartProcess(two);
  cluster.RunUntil(2000 * kMs);
  const Incarnation before = two.machine->incarnation();
  two.cut = true;
  cluster.RunUntil(10'000 * kMs);
  EXPECT_FALSE(cluster.HasAuthority(two));
  EXPECT_TRUE(two.machine->member());  // data goes on: it has seen no view without it
  EXPECT_FALSE(one.machine->installed().Contains(2, before));
  two.cut = false;
  cluster.RunUntil(20'000 * kMs);
  EXPECT_TRUE(two.machine->member());
  EXPECT_GT(two.machine->incarnation(), before);
  EXPECT_EQ(cluster.failure(), "");
}

TEST(Membership, TwentySecondsWithoutAStoreChangeNothing) {
  SimCluster cluster(6);
  auto& one = cluster.AddNode(1, "one");
  auto& two = cluster.AddNode(2, "two");
  cluster.StartProcess(one);
  cluster.StartProcess(two);
  cluster.RunUntil(2000 * kMs);
  const View before = one.machine->installed();
  cluster.store().LeaderChange(cluster.now(), 20'000 * kMs);
  cluster.RunUntil(20'000 * kMs);
  EXPECT_FALSE(cluster.HasAuthority(one));
  EXPECT_TRUE(one.machine->member());
  cluster.RunUntil(40'000 * kMs);
  EXPECT_EQ(one.machine->installed(), before);
  EXPECT_TRUE(cluster.HasAuthority(one));
  EXPECT_TRUE(cluster.HasAuthority(two));
}

TEST(Membership, AuthorityComesWithTheRecordAndNotWithTheNextKeepalive) {
  SimCluster cluster(7);
  auto& node = cluster.AddNode(1, "seat");
  cluster.StartProcess(node);
  while (!node.machine->member()) cluster.RunUntil(cluster.now() + kMs);
  EXPECT_TRUE(cluster.HasAuthority(node));
}

TEST(Membership, WhatDiedWhileTheStoreWasAwayIsRemovedAfterTheGrace) {
  SimCluster cluster(8);
  auto& one = cluster.AddNode(1, "one");
  auto& two = cluster.AddNode(2, "two");
  cluster.StartProcess(one);
  cluster.StartProcess(two);
  cluster.RunUntil(5000 * kMs);
  const Incarnation dead = two.machine->incarnation();
  cluster.store().StandStill(cluster.now(), 8000 * kMs);
  cluster.KillProcess(two);
  cluster.RunUntil(20'000 * kMs);  // the store is back for 7 s
  EXPECT_TRUE(one.machine->installed().Contains(2, dead));
  cluster.RunUntil(26'000 * kMs);
  EXPECT_FALSE(one.machine->installed().Contains(2, dead));
  EXPECT_TRUE(cluster.HasAuthority(one));
  EXPECT_EQ(cluster.failure(), "");
}

}  // namespace
}  // namespace k42::view::testing
