// The kernel's port against the daemon's link host, in one process over one arena: operations out,
// records in, and what a new daemon makes of what a dead one left.
#include "interconnect/link_host.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "abi/link_control.h"
#include "global/link_port.h"

namespace k42::interconnect {
namespace {

class Bell final : public global::LinkDoorbell {
 public:
  void Kick(machine::CpuId) override {}
};

// Carries out at once what is for any peer but those that answer nothing: what is for them stays.
class PartlyDeaf final : public Transport {
 public:
  explicit PartlyDeaf(LinkHost& host) : host_(host) {}
  std::string_view Name() const override { return "partly deaf"; }
  std::string LocalAddress() const override { return ""; }
  void SetIdentity(const LocalIdentity&) override {}
  void AddPeer(const PeerInfo&) override {}
  void RemovePeer(PeerId, Status) override {}
  void Submit(const interconnect::Request& request) override {
    if (deaf.contains(request.peer.node))
      held.push_back(request.token);
    else
      host_.OnCompletion({request.token, Outcome::kDone, Status::kOk, 0});
  }
  void RevokeWindow(Token token, abi::WindowId) override { held.push_back(token); }
  std::size_t Progress() override { return 0; }
  int WaitFd() const override { return -1; }
  bool Arm() override { return true; }
  std::uint64_t NextTimer() const override { return 0; }

  std::set<std::uint32_t> deaf;
  std::vector<Token> held;

 private:
  LinkHost& host_;
};

class LinkTest : public ::testing::Test {
 protected:
  LinkTest() { NewKernel(); }
  void NewKernel() {
    arena_ = Arena::CreateFormatted(8 << 20, 1);
    port_ = std::make_unique<global::LinkPort>();
    EXPECT_EQ(port_->Start(arena_->At(0), 8 << 20, 1, bell_), Status::kOk);
  }
  std::unique_ptr<LinkHost> NewDaemon() {
    auto host = std::make_unique<LinkHost>(
        *arena_,
        LinkHost::Wiring{.call = [this](std::uint32_t) { ++calls_; },
                         .route = [this](PeerId) { return transport_.get(); },
                         .is_member = [this](PeerId peer) { return members_.contains(peer); },
                         .transports = [this] { return Transports(); },
                         .on_control = [](const abi::Frame&, std::span<const std::byte>) {}},
        clock_);
    EXPECT_EQ(host->Attach(), Status::kOk);
    return host;
  }
  void GoUp(LinkHost& host) {
    LocalIdentity identity;
    identity.self = {1, 77};
    identity.daemon_generation = host.generation();
    host.GoUp(identity, 5);
  }
  std::vector<Transport*> Transports() const {
    std::vector<Transport*> all;
    if (transport_ != nullptr)
      all.push_back(transport_.get());
    return all;
  }
  // A daemon with a way to everybody.
  std::unique_ptr<LinkHost> ConnectedDaemon() {
    auto host = NewDaemon();
    transport_ = std::make_unique<PartlyDeaf>(*host);
    GoUp(*host);
    host->Open();
    return host;
  }
  void Exchange(LinkHost& host) {
    for (int i = 0; i < 8; ++i) {
      host.Serve();
      port_->Drain();
    }
  }
  static global::LinkRequest Request(abi::OperationKind kind) {
    global::LinkRequest request;
    request.kind = kind;
    request.peer = {2, 88};
    request.done = [](global::LinkRequest&) {};
    return request;
  }

  int calls_ = 0;
  std::set<PeerId> members_;
  std::unique_ptr<PartlyDeaf> transport_;
  MonotonicClock clock_;
  Bell bell_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<global::LinkPort> port_;
};

TEST_F(LinkTest, BeforeItIsUpNothingIsSent) {
  auto host = NewDaemon();
  auto put = Request(abi::OperationKind::kPut);
  port_->Submit(put);
  EXPECT_EQ(host->Serve(), 1u);
  EXPECT_EQ(port_->Drain(), 1u);
  EXPECT_EQ(put.outcome, Outcome::kNotSent);
  EXPECT_EQ(put.status, Status::kUnavailable);
  GoUp(*host);
  EXPECT_TRUE(port_->Up());
  EXPECT_EQ(port_->Self(), (global::LinkPeer{1, 77}));
}

TEST_F(LinkTest, WhatADeadDaemonHadTakenIsUnknownAndWhatItHadNotIsServed) {
  auto first = NewDaemon();
  auto taken = Request(abi::OperationKind::kPut);
  auto waiting = Request(abi::OperationKind::kPut);
  port_->Submit(taken);
  port_->Submit(waiting);
  // The first daemon dies after it has marked the first operation and before it says more.
  abi::Operation& operation = arena_->operation(0);
  operation.generation = first->generation();
  operation.taken.store(operation.id.load());
  first.reset();

  auto second = NewDaemon();
  EXPECT_EQ(second->generation(), 2u);
  GoUp(*second);
  second->Open();
  second->Serve();
  port_->Drain();
  EXPECT_EQ(taken.outcome, Outcome::kUnknown);
  EXPECT_EQ(waiting.outcome, Outcome::kNotSent);
  EXPECT_EQ(waiting.status, Status::kNotInView);
}

// Who is a member is known a moment after who we are. Meanwhile nobody is called no member: a
// stream would be given up for it, of which the predecessor had a put under way.
TEST_F(LinkTest, UntilTheMembersAreKnownNobodyIsCalledNone) {
  auto first = NewDaemon();
  auto taken = Request(abi::OperationKind::kPut);
  taken.flags = abi::kRepeatable;
  port_->Submit(taken);
  abi::Operation& operation = arena_->operation(0);
  operation.generation = first->generation();
  operation.taken.store(operation.id.load());
  first.reset();

  auto second = NewDaemon();
  GoUp(*second);
  auto fresh = Request(abi::OperationKind::kPut);
  port_->Submit(fresh);
  second->Serve();
  port_->Drain();
  EXPECT_EQ(fresh.status, Status::kUnavailable);
  EXPECT_EQ(taken.outcome, Outcome::kNone);  // not settled yet
  second->Open();
  second->Open();
  second->Serve();
  port_->Drain();
  EXPECT_EQ(taken.outcome,
            Outcome::kNotSent);  // repeated, on a way that is known now: there is none
  EXPECT_EQ(taken.status, Status::kNotInView);
}

// The transports could not be opened yet: a predecessor's neighbours may still have the memory.
TEST_F(LinkTest, WithoutTransportsNobodyKnowsThatAWindowIsRevoked) {
  auto host = NewDaemon();
  auto revoke = Request(abi::OperationKind::kRevokeWindow);
  port_->Submit(revoke);
  host->Serve();
  port_->Drain();
  EXPECT_EQ(revoke.outcome, Outcome::kUnknown);
  EXPECT_EQ(revoke.status, Status::kUnavailable);
}

// A kernel that sleeps is not woken for the good end of a send that nobody waits for.
TEST_F(LinkTest, QuietEndsWakeNobodyUntilThereAreMany) {
  auto host = NewDaemon();
  GoUp(*host);
  host->Open();
  calls_ = 0;
  const auto submit = [&](global::LinkRequest& request, std::uint32_t flags, std::uint32_t to) {
    request = Request(abi::OperationKind::kSend);
    request.frame.kind = abi::FrameKind::kOneWay;
    request.flags = flags;
    request.peer = {to, 0};
    port_->PrepareSleep();
    port_->Submit(request);
    EXPECT_EQ(host->Serve(), 1u);
  };
  EXPECT_FALSE(port_->Waiting(0));
  std::vector<global::LinkRequest> quiet(abi::kMostQuietEnds + 1);
  for (auto& request : quiet) {
    EXPECT_EQ(calls_, 0);
    submit(request, abi::kQuietEnd, abi::kDaemonNode);
    EXPECT_TRUE(port_->Waiting(0));
  }
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(port_->Drain(), quiet.size());
  for (auto& request : quiet) EXPECT_EQ(request.outcome, Outcome::kDone);
  EXPECT_FALSE(port_->Waiting(0));

  global::LinkRequest first, loud, refused;
  submit(first, abi::kQuietEnd, abi::kDaemonNode);
  EXPECT_EQ(calls_, 1);
  submit(loud, 0, abi::kDaemonNode);
  EXPECT_EQ(calls_, 2);
  EXPECT_EQ(port_->Drain(), 2u);
  submit(refused, abi::kQuietEnd, 2);  // an end that is not good
  EXPECT_EQ(calls_, 3);
}

TEST_F(LinkTest, AnOperationOutsideTheRingsSlotsBreaksTheLink) {
  auto host = NewDaemon();
  abi::SubmitProducer forger(arena_->Get<abi::SubmitRingMemory>(arena_->layout().SubmitRingAt(0)));
  EXPECT_EQ(forger.Push(abi::MakeOperationId(1, 9999)), Status::kOk);
  host->Serve();
  EXPECT_TRUE(host->broken());
}

class ControlCounter final : public global::LinkReceiver {
 public:
  void OnMessage(global::LinkPeer, const abi::Frame&, Bytes) override { ++count; }
  int count = 0;
};

// Peers' messages have filled the ring and the backlog of a kernel that does not look: what its own
// daemon says comes through all the same.
TEST_F(LinkTest, TheDaemonsWordIsNotLostBehindPeersMessages) {
  ControlCounter control;
  port_->SetReceiver(abi::Channel::kControl, control);
  auto host = NewDaemon();
  GoUp(*host);
  host->Open();
  std::vector<std::byte> large(4096);
  PeerId peer{2, 88};
  for (int i = 0; i < 2000 && host->TakeOverflowed().empty(); ++i)
    host->OnMessage(peer, abi::Channel::kCall, 0, large);
  host->SendToKernel(0, abi::FrameKind::kControl, 1, large);
  for (int i = 0; i < 2000 && control.count == 0; ++i) {
    port_->Drain();
    host->Serve();
  }
  EXPECT_EQ(control.count, 1);
}

// Notifications alike; ends of endpoints and views do not add up behind them.
TEST_F(LinkTest, WhatAKernelDoesNotReadIsBoundedWhateverPeersDo) {
  constexpr int kMany = 1'000'000;
  constexpr std::size_t kEnough = 2 << 20;
  auto host = NewDaemon();
  GoUp(*host);
  host->Open();
  const PeerId peer{2, 88};
  for (int i = 0; i < kMany; ++i) host->OnNotify(peer, abi::Channel::kStream, 0, 1);
  EXPECT_EQ(host->TakeOverflowed(), std::set<PeerId>{peer});
  EXPECT_LT(host->BacklogBytes(0), kEnough);
  const std::vector<std::byte> view(4000);
  for (int i = 0; i < kMany / 100; ++i) {
    host->OnPeerDown(peer, Status::kEndpointDown);
    host->SendToKernel(0, abi::FrameKind::kControl,
                       static_cast<std::uint32_t>(abi::ControlKind::kView), view);
    host->OnNotify(peer, abi::Channel::kStream, 0, 1);
  }
  EXPECT_LT(host->BacklogBytes(0), kEnough);
  EXPECT_FALSE(host->broken());
}

class PeerListener final : public global::LinkReceiver {
 public:
  void OnMessage(global::LinkPeer, const abi::Frame& frame, Bytes payload) override {
    std::uint64_t epoch = 0;
    std::memcpy(&epoch, payload.data(), std::min(sizeof epoch, payload.size()));
    heard += frame.method == static_cast<std::uint32_t>(abi::ControlKind::kView)
                 ? "view " + std::to_string(epoch) + ";"
                 : "word;";
  }
  void OnNotify(global::LinkPeer from, std::uint64_t) override {
    heard += "notify " + std::to_string(from.node) + ";";
  }
  void OnPeerDown(global::LinkPeer peer, Status why) override {
    heard += (global::PeerIsGone(why) ? "gone " : "down ") + std::to_string(peer.node) + ";";
  }
  std::string heard;
};

// Only what says nothing new is left out: something of the peer's in between makes the next end
// news, and whatever came before a view was not of the next one.
TEST_F(LinkTest, EndsAndViewsThatWaitAreSaidOnceInTheirPlaces) {
  PeerListener listener;
  port_->SetReceiver(abi::Channel::kControl, listener);
  auto host = NewDaemon();
  GoUp(*host);
  host->Open();
  const std::vector<std::byte> large(8000);
  while (host->BacklogBytes(0) == 0)  // from here on everything waits
    host->SendToKernel(0, abi::FrameKind::kControl, 1000, large);
  const auto view = [&](std::uint64_t epoch) {
    host->SendToKernel(0, abi::FrameKind::kControl,
                       static_cast<std::uint32_t>(abi::ControlKind::kView),
                       std::as_bytes(std::span(&epoch, 1)));
  };
  const PeerId two{2, 88}, three{3, 99};
  view(1);
  host->OnPeerDown(two, Status::kEndpointDown);
  host->OnPeerDown(two, Status::kEndpointDown);
  view(2);
  host->OnNotify(three, abi::Channel::kControl, 0, 1);
  view(3);
  host->OnPeerDown(two, Status::kEndpointDown);
  host->OnPeerDown(three, Status::kEndpointDown);
  host->OnNotify(two, abi::Channel::kControl, 0, 1);
  host->OnPeerDown(two, Status::kEndpointDown);
  host->OnPeerDown(two, Status::kNodeDead);
  view(4);
  view(5);
  for (int i = 0; i < 100; ++i) {
    port_->Drain();
    host->Serve();
  }
  while (listener.heard.starts_with("word;")) listener.heard.erase(0, 5);
  EXPECT_EQ(listener.heard, "down 2;view 2;notify 3;view 3;down 3;notify 2;down 2;gone 2;view 5;");
  EXPECT_EQ(host->BacklogBytes(0), 0u);
}

// A kernel has so many operations, and reuses one when it has seen its end.
TEST_F(LinkTest, AKernelThatSubmitsAndNeverReadsBreaksTheLink) {
  auto host = NewDaemon();
  GoUp(*host);
  host->Open();
  abi::SubmitProducer forger(arena_->Get<abi::SubmitRingMemory>(arena_->layout().SubmitRingAt(0)));
  constexpr std::uint32_t kMany = 1'000'000;
  for (std::uint32_t use = 1; use <= kMany && !host->broken(); ++use) {
    const std::uint64_t id = abi::MakeOperationId(use, 0);
    arena_->operation(0).id.store(id);
    ASSERT_EQ(forger.Push(id), Status::kOk);
    host->Serve();
  }
  EXPECT_TRUE(host->broken());
  EXPECT_LT(host->BacklogBytes(0), std::size_t{1} << 16);
}

TEST_F(LinkTest, ABusyKernelDoesNotKeepTheDaemonToItself) {
  auto host = NewDaemon();
  GoUp(*host);
  host->Open();
  std::vector<global::LinkRequest> requests(64, Request(abi::OperationKind::kPut));
  std::uint32_t peer = 0;
  for (auto& request : requests) {
    request.peer.node = 2 + peer++;  // no peer gets all of them
    port_->Submit(request);
  }
  EXPECT_EQ(host->Serve(), 64u);
  EXPECT_EQ(port_->Drain(), 64u);  // and no more at once than this
}

TEST_F(LinkTest, MoreRequestsThanOperationsWaitTheirTurn) {
  auto host = NewDaemon();
  GoUp(*host);
  host->Open();
  std::vector<global::LinkRequest> requests(200, Request(abi::OperationKind::kPut));
  for (auto& request : requests) port_->Submit(request);
  for (int i = 0; i < 10; ++i) {
    host->Serve();
    port_->Drain();
  }
  for (auto& request : requests) EXPECT_EQ(request.status, Status::kNotInView);
}

// However much was asked of members that answer nothing, and of many of them: what is for others
// goes on, in its order, the own daemon's among it. And nothing is forgotten when they answer
// again.
TEST_F(LinkTest, WhatIsForDeafPeersStopsNobodyElse) {
  constexpr std::uint32_t kHearing = 2, kFirstDeaf = 3;
  for (const std::uint32_t deaf : {1u, 2u, 5u, 18u}) {
    SCOPED_TRACE(deaf);
    NewKernel();
    auto host = ConnectedDaemon();
    std::vector<global::LinkRequest> stuck(100 * (deaf + 1), Request(abi::OperationKind::kPut));
    for (std::uint32_t i = 0; i < stuck.size(); ++i) {
      const std::uint32_t lane = i / 100;  // one after the other: each takes what it can get
      stuck[i].peer.node = kFirstDeaf + lane;
      if (lane == deaf)
        stuck[i].kind = abi::OperationKind::kRevokeWindow;
      else
        transport_->deaf.insert(kFirstDeaf + lane);
      port_->Submit(stuck[i]);
    }
    Exchange(*host);

    static std::vector<const global::LinkRequest*> ended;
    ended.clear();
    std::vector<global::LinkRequest> good(100, Request(abi::OperationKind::kPut));
    std::vector<const global::LinkRequest*> expected;
    for (auto& request : good) {
      request.peer.node = kHearing;
      request.done = [](global::LinkRequest& one) { ended.push_back(&one); };
      expected.push_back(&request);
      port_->Submit(request);
    }
    auto word = Request(abi::OperationKind::kSend);
    word.peer = {abi::kDaemonNode, 0};
    word.frame.kind = abi::FrameKind::kOneWay;
    port_->Submit(word);
    for (std::size_t i = 0; i < good.size(); ++i) Exchange(*host);
    EXPECT_EQ(ended, expected);
    EXPECT_EQ(word.outcome, Outcome::kDone);
    for (const auto& request : stuck) EXPECT_EQ(request.outcome, Outcome::kNone);

    transport_->deaf.clear();
    while (!transport_->held.empty()) {
      const Token token = transport_->held.back();
      transport_->held.pop_back();
      host->OnCompletion({token, Outcome::kDone, Status::kOk, 0});
      Exchange(*host);
    }
    for (const auto& request : stuck) EXPECT_EQ(request.outcome, Outcome::kDone);
  }
}

// A kernel that sleeps is woken before a peer's operations run out, if others hold so many that the
// good ends which wake nobody would be all it has.
TEST_F(LinkTest, WhoseOperationsBecomeScarceIsWoken) {
  auto host = ConnectedDaemon();
  transport_->deaf = {3};
  std::vector<global::LinkRequest> stuck(40, Request(abi::OperationKind::kPut));
  for (auto& request : stuck) {
    request.peer.node = 3;
    port_->Submit(request);
  }
  Exchange(*host);
  port_->PrepareSleep();
  calls_ = 0;
  std::vector<global::LinkRequest> quiet(abi::kMostQuietEnds, Request(abi::OperationKind::kPut));
  for (auto& request : quiet) {
    request.flags = abi::kQuietEnd;
    port_->Submit(request);
    host->Serve();
  }
  EXPECT_EQ(calls_, 1);
  Exchange(*host);
  for (const auto& request : quiet) EXPECT_EQ(request.outcome, Outcome::kDone);
}

// Of a member that has not said yet how it is reached: its streams go on when it has.
TEST_F(LinkTest, AMemberToWhomThereIsNoWayYetIsAMember) {
  members_.insert({2, 88});
  auto host = NewDaemon();
  GoUp(*host);
  host->Open();
  auto put = Request(abi::OperationKind::kPut);
  auto message = Request(abi::OperationKind::kSend);
  message.frame.kind = abi::FrameKind::kOneWay;
  const auto serve = [&] {
    put.outcome = message.outcome = Outcome::kNone;
    port_->Submit(put);
    port_->Submit(message);
    host->Serve();
    port_->Drain();
    EXPECT_EQ(put.outcome, Outcome::kNotSent);
    EXPECT_EQ(message.outcome, Outcome::kNotSent);
    EXPECT_EQ(put.status, message.status);
    return put.status;
  };
  EXPECT_EQ(serve(), Status::kUnavailable);
  members_.clear();
  EXPECT_EQ(serve(), Status::kNotInView);
}

}  // namespace
}  // namespace k42::interconnect
