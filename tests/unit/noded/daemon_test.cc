// The daemon between a kernel's end of the link (over an arena in this process, without a carrier)
// and a membership that the test plays.
#include "cluster-services/noded/daemon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "global/link_port.h"

namespace k42::noded {
namespace {

constexpr std::uint64_t kArenaSize = 8 << 20;
constexpr std::chrono::milliseconds kHang{800};

class Bell final : public global::LinkDoorbell {
 public:
  void Kick(machine::CpuId) override {}
};

class Heard final : public global::LinkReceiver {
 public:
  void OnMessage(global::LinkPeer, const abi::Frame& frame, Bytes) override {
    kinds.push_back(static_cast<abi::ControlKind>(frame.method));
  }
  bool Has(abi::ControlKind kind) const {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
  }
  std::vector<abi::ControlKind> kinds;
};

class PlayedMembership final : public Membership {
 public:
  void Join(const Attributes&, const Life& adopted) override {
    ++joins;
    last = adopted;
  }
  void Leave(const std::string&) override { ++leaves; }
  std::uint64_t AuthorityDeadlineNs() const override { return 0; }
  int joins = 0;
  int leaves = 0;
  Life last;
};

class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest() : arena_(interconnect::Arena::CreateFormatted(kArenaSize, 1)) {
    char name[] = "/tmp/k42-noded-test-XXXXXX";
    folder_ = mkdtemp(name);
    NewKernel();
    NewDaemon();
  }
  ~DaemonTest() override {
    daemon_.reset();
    std::filesystem::remove_all(folder_);
  }

  void NewKernel() {
    port_ = std::make_unique<global::LinkPort>();
    EXPECT_EQ(port_->Start(arena_->At(0), kArenaSize, 1, bell_), Status::kOk);
    port_->SetReceiver(abi::Channel::kControl, heard_);
  }
  void NewDaemon(const std::string& transport = "shm") {
    daemon_.reset();
    Options options;
    options.folder = folder_;
    options.transport = transport;
    options.hang_ns = std::chrono::nanoseconds(kHang).count();
    daemon_ = std::make_unique<Daemon>(options, loop_);
    auto membership = std::make_unique<PlayedMembership>();
    membership_ = membership.get();
    daemon_->SetMembership(std::move(membership));
  }
  void Attach() {
    daemon_->OnArena(*arena_);
    daemon_->OnKick();
  }
  Life ALife() {
    Life life{7, 70, {}};
    life.secret.fill(std::byte{0x5a});
    return life;
  }

  std::string folder_;
  EventLoop loop_;
  Bell bell_;
  Heard heard_;
  std::unique_ptr<interconnect::Arena> arena_;
  std::unique_ptr<global::LinkPort> port_;
  std::unique_ptr<Daemon> daemon_;
  PlayedMembership* membership_ = nullptr;
};

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
  const auto send = [this] {
    global::LinkRequest request;
    request.kind = abi::OperationKind::kPut;
    request.peer = {2, 88};
    request.done = [](global::LinkRequest&) {};
    port_->Submit(request);
    daemon_->Serve();
    port_->Drain();
    return request.status;
  };
  ViewOfCluster view;
  view.epoch = 3;
  daemon_->OnView(view);
  EXPECT_EQ(send(), Status::kUnavailable);
  view.epoch = 4;
  view.members.push_back({});
  view.members.back().id = {1, 7};
  daemon_->OnView(view);
  EXPECT_EQ(send(), Status::kNotInView);
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
