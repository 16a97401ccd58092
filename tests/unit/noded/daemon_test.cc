// The daemon between its guest and the cluster.
#include "cluster-services/noded/daemon.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "unit/noded/daemon_world.h"

namespace k42::noded {
namespace {

using DaemonTest = DaemonWorld;

TEST_F(DaemonTest, ALifeThatEndedWhileTheDaemonWasAwayIsToldToTheKernel) {
  Attach();
  ASSERT_EQ(membership_->joins, 1);
  daemon_->OnJoined(ALife());
  ASSERT_EQ(daemon_->guest(), Daemon::Guest::kUp);

  NewDaemon();
  Attach();
  ASSERT_EQ(daemon_->guest(), Daemon::Guest::kJoining);
  ASSERT_EQ(membership_->last.incarnation, 7u);
  daemon_->OnExcluded("removed from the view while the daemon was away");
  port_->Drain();
  EXPECT_TRUE(heard_.Has(abi::ControlKind::kExcluded));
}

TEST_F(DaemonTest, AGuestWithoutALifeIsNotMeantByAnExclusion) {
  Attach();
  ASSERT_EQ(daemon_->guest(), Daemon::Guest::kJoining);
  daemon_->OnExcluded("the life before this one");
  port_->Drain();
  EXPECT_FALSE(heard_.Has(abi::ControlKind::kExcluded));
}

// Whoever comes after this daemon goes on with the lease that lives.
TEST_F(DaemonTest, AnotherLeaseIsKeptForTheSuccessor) {
  Attach();
  daemon_->OnLease(69);  // before there is a life: nobody's
  daemon_->OnJoined(ALife());
  daemon_->OnLease(71);
  NewDaemon();
  Attach();
  EXPECT_EQ(membership_->last.lease, 71);
  EXPECT_EQ(membership_->last.incarnation, 7u);
}

// The view most often comes after the life; where it came before, it is not forgotten.
TEST_F(DaemonTest, AViewThatCameBeforeTheLifeCounts) {
  Attach();
  ViewOfCluster view;
  view.epoch = 3;
  view.members.push_back({});
  view.members.back().id = {1, 7};
  daemon_->OnView(view);
  port_->Drain();
  EXPECT_FALSE(heard_.Has(abi::ControlKind::kView));
  daemon_->OnJoined(ALife());
  port_->Drain();
  EXPECT_TRUE(heard_.Has(abi::ControlKind::kView));
}

TEST_F(DaemonTest, AViewBeforeTheLifeWithoutUsIsNone) {
  Attach();
  ViewOfCluster view;
  view.epoch = 3;
  daemon_->OnView(view);
  daemon_->OnJoined(ALife());
  port_->Drain();
  EXPECT_FALSE(heard_.Has(abi::ControlKind::kView));
}

// What the kernel sends meanwhile waits for the members to be known: nobody is called no member.
TEST_F(DaemonTest, AViewWithoutUsOpensNoWays) {
  Attach();
  daemon_->OnJoined(ALife());
  ViewOfCluster view;
  view.epoch = 3;
  daemon_->OnView(view);
  EXPECT_EQ(PutTo({2, 88}), Status::kUnavailable);
  view.epoch = 4;
  view.members.push_back({});
  view.members.back().id = {1, 7};
  daemon_->OnView(view);
  EXPECT_EQ(PutTo({2, 88}), Status::kNotInView);
}

// A member's record comes behind the view that names it, or is being repaired.
TEST_F(DaemonTest, AMemberWithoutARecordIsNoStranger) {
  NewDaemon("tcp");
  Attach();
  daemon_->OnJoined(ALife());
  ViewOfCluster view;
  view.epoch = 3;
  for (const PeerId id : {PeerId{1, 7}, PeerId{2, 88}}) {
    view.members.push_back({});
    view.members.back().id = id;
  }
  daemon_->OnView(view);
  EXPECT_EQ(PutTo({2, 88}), Status::kUnavailable);
  EXPECT_EQ(PutTo({2, 87}), Status::kNotInView);
  view.members.back().attributes["ucx"] = "no address, but a way";
  daemon_->OnView(view);
  EXPECT_EQ(PutTo({2, 88}), Status::kPending);  // waits for its endpoint
}

// Its peers are taken from it before it is told; neither a later view nor a kernel that does not
// read gives them back.
TEST_F(DaemonTest, AnExcludedNodeGetsNoPeersBack) {
  NewDaemon("tcp");
  Attach();
  daemon_->OnJoined(ALife());
  ViewOfCluster view;
  view.epoch = 3;
  for (const PeerId id : {PeerId{1, 7}, PeerId{2, 88}}) {
    view.members.push_back({});
    view.members.back().id = id;
    view.members.back().attributes["ucx"] = "no address, but a way";
  }
  daemon_->OnView(view);
  ASSERT_EQ(PutTo({2, 88}), Status::kPending);
  daemon_->OnExcluded("removed from the view");
  EXPECT_EQ(PutTo({2, 88}), Status::kNotInView);
  heard_.kinds.clear();
  view.epoch = 4;
  daemon_->OnView(view);
  EXPECT_EQ(PutTo({2, 88}), Status::kNotInView);
  EXPECT_FALSE(heard_.Has(abi::ControlKind::kView));
  while (daemon_->link()->BacklogBytes(0) < (1 << 20) - 100)
    daemon_->link()->OnNotify({2, 88}, abi::Channel::kStream, 0, 1);
  for (int i = 0; i < 10; ++i) daemon_->link()->OnNotify({2, 88}, abi::Channel::kStream, 0, 1);
  daemon_->Serve();
  while (port_->Drain() != 0) daemon_->Serve();
  EXPECT_EQ(PutTo({2, 88}), Status::kNotInView);
}

TEST_F(DaemonTest, ALifeWithoutASecretDoesNotComeUp) {
  Attach();
  daemon_->OnJoined({7, 70, {}});
  EXPECT_EQ(daemon_->guest(), Daemon::Guest::kJoining);
  EXPECT_EQ(membership_->leaves, 1);
  EXPECT_EQ(arena_->daemon().incarnation, 0u);
}

// The guest runs on, and is met again as the life it has been.
TEST_F(DaemonTest, AGuestThatMakesNoSenseIsLetGo) {
  Attach();
  daemon_->OnJoined(ALife());
  abi::SubmitProducer forger(arena_->Get<abi::SubmitRingMemory>(arena_->layout().SubmitRingAt(0)));
  ASSERT_EQ(forger.Push(abi::MakeOperationId(1, 9999)), Status::kOk);
  daemon_->Serve();
  EXPECT_EQ(daemon_->guest(), Daemon::Guest::kDown);
  EXPECT_EQ(membership_->leaves, 1);
  EXPECT_EQ(arena_->daemon().state.load(), abi::DaemonState::kDetached);
}

TEST_F(DaemonTest, AKernelThatStandsStillLeavesTheCluster) {
  Attach();
  daemon_->OnJoined(ALife());
  const auto serve = [&](bool beats, std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    for (std::uint64_t beat = 1; std::chrono::steady_clock::now() < until; ++beat) {
      if (beats)
        port_->Beat(beat);
      daemon_->Serve();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    port_->Drain();
  };
  serve(true, 3 * kHang);
  EXPECT_EQ(membership_->leaves, 0);
  EXPECT_FALSE(heard_.Has(abi::ControlKind::kExcluded));
  serve(false, 3 * kHang);
  EXPECT_EQ(membership_->leaves, 1);
  EXPECT_TRUE(heard_.Has(abi::ControlKind::kExcluded));
}

TEST_F(DaemonTest, TransportsThatDoNotOpenAreTriedAgain) {
  std::filesystem::remove_all(folder_);  // no place for fabric.sock
  Attach();
  EXPECT_EQ(membership_->joins, 0);
  std::filesystem::create_directory(folder_);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (membership_->joins == 0 && std::chrono::steady_clock::now() < until) daemon_->Serve();
  EXPECT_EQ(membership_->joins, 1);
}

}  // namespace
}  // namespace k42::noded
