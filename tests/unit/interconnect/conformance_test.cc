// The transport contract (interconnect/transport.h), held against every transport: all nodes in
// this process, and every second one in another.
#include <gtest/gtest.h>

#include <cstdlib>

#include "unit/interconnect/test_fabric.h"

namespace k42::interconnect {
namespace {

struct Named {
  std::string name;
  std::unique_ptr<Kind> (*make)();
  std::shared_ptr<const Agents> agents;  // null: all nodes in this process
};

class Conformance : public ::testing::TestWithParam<Named> {
 protected:
  TestFabric Make(std::uint32_t nodes) {
    return TestFabric(GetParam().make(), nodes, GetParam().agents.get());
  }

  static Request To(TestNode& peer, OperationKind kind) {
    Request request;
    request.peer = peer.id();
    request.kind = kind;
    return request;
  }
  static Request Send(TestNode& from, TestNode& to, std::uint64_t at, const std::string& text) {
    from.Write(at, text);
    Request request = To(to, OperationKind::kSend);
    request.local_offset = from.data(at);
    request.length = static_cast<std::uint32_t>(text.size());
    return request;
  }
  static Request Put(TestNode& from, TestNode& to, abi::WindowId window, const std::string& text) {
    Request request = Send(from, to, 0, text);
    request.kind = OperationKind::kPut;
    request.window = window;
    return request;
  }
  // Until a transport that learns about a window by its first use has learnt it.
  static void Warm(TestFabric& fabric, const Request& put) {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(fabric.Run(1, put).outcome, Outcome::kDone);
    EXPECT_EQ(fabric.Run(1, To(fabric.node(2), OperationKind::kFlush)).outcome, Outcome::kDone);
  }
};

TEST_P(Conformance, MessagesArriveInOrderOncePerChannel) {
  TestFabric fabric = Make(3);
  constexpr std::uint64_t kCount = 200;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    Request request = Send(fabric.node(1), fabric.node(2), i * 64, std::to_string(i));
    request.token = i;
    request.channel = i % 2 == 0 ? abi::Channel::kCall : abi::Channel::kStream;
    request.receiver_cpu = i % 2;
    fabric.node(1).Submit(request);
  }
  Recorder& at = fabric.node(2).recorder;
  ASSERT_TRUE(fabric.Until([&] {
    return at.messages.size() == kCount && fabric.node(1).recorder.ended.size() == kCount;
  }));
  std::uint64_t next[2] = {0, 1};
  for (const ReceivedMessage& message : at.messages) {
    EXPECT_EQ(message.from, fabric.node(1).id());
    EXPECT_EQ(message.text, std::to_string(next[message.cpu]));
    next[message.cpu] += 2;
  }
  for (const Completion& end : fabric.node(1).recorder.ended)
    EXPECT_EQ(end.outcome, Outcome::kDone);
  EXPECT_TRUE(fabric.node(3).recorder.messages.empty());
}

TEST_P(Conformance, BothDirectionsAndEverySize) {
  TestFabric fabric = Make(2);
  for (std::uint32_t size : {0u, 1u, 63u, 4096u, abi::kMaxMessage}) {
    std::string text(size, 'm');
    EXPECT_EQ(fabric.Run(1, Send(fabric.node(1), fabric.node(2), 0, text)).outcome, Outcome::kDone);
    EXPECT_EQ(fabric.Run(2, Send(fabric.node(2), fabric.node(1), 0, text)).outcome, Outcome::kDone);
  }
  for (std::uint32_t number : {1u, 2u}) {
    Recorder& at = fabric.node(number).recorder;
    ASSERT_TRUE(fabric.Until([&] { return at.messages.size() == 5; }));
    EXPECT_EQ(at.messages.back().text.size(), abi::kMaxMessage);
  }
}

TEST_P(Conformance, TooLongOrOutsideTheDataAreaIsNotSent) {
  TestFabric fabric = Make(2);
  Request request = To(fabric.node(2), OperationKind::kSend);
  request.local_offset = fabric.node(1).data();
  request.length = abi::kMaxMessage + 1;
  EXPECT_EQ(fabric.Run(1, request).status, Status::kMessageTooLong);
  request.length = 8;
  request.local_offset = 0;  // the headers
  EXPECT_EQ(fabric.Run(1, request).status, Status::kOutOfRange);
  request.local_offset = ~0ull - 4;
  EXPECT_EQ(fabric.Run(1, request).outcome, Outcome::kNotSent);
}

TEST_P(Conformance, PutGetAndFlush) {
  TestFabric fabric = Make(2);
  abi::WindowId window = fabric.node(2).Open(3, 4096, 65536, abi::kAccessAll);
  std::string text;
  for (int i = 0; i < 30000; ++i) text += static_cast<char>('a' + i % 23);
  fabric.node(1).Write(0, text);
  Request put = To(fabric.node(2), OperationKind::kPut);
  put.local_offset = fabric.node(1).data();
  put.length = static_cast<std::uint32_t>(text.size());
  put.window = window;
  put.remote_offset = 100;
  EXPECT_EQ(fabric.Run(1, put).outcome, Outcome::kDone);
  EXPECT_EQ(fabric.Run(1, To(fabric.node(2), OperationKind::kFlush)).outcome, Outcome::kDone);
  EXPECT_EQ(fabric.node(2).Read(4196, text.size()), text);

  Request get = put;
  get.kind = OperationKind::kGet;
  get.local_offset = fabric.node(1).data(1 << 20);
  EXPECT_EQ(fabric.Run(1, get).outcome, Outcome::kDone);
  EXPECT_EQ(fabric.node(1).Read(1 << 20, text.size()), text);
}

TEST_P(Conformance, AtomicsReturnWhatWasThere) {
  TestFabric fabric = Make(3);
  abi::WindowId window = fabric.node(3).Open(0, 0, 64, abi::kAccessAtomic);
  for (std::uint64_t i = 0; i < 20; ++i) {
    Request add = To(fabric.node(3), OperationKind::kFetchAdd);
    add.window = window;
    add.remote_offset = 8;
    add.operand = 5;
    Completion end = fabric.Run(1 + i % 2, add);
    EXPECT_EQ(end.outcome, Outcome::kDone);
    EXPECT_EQ(end.value, i * 5);
  }
  Request swap = To(fabric.node(3), OperationKind::kCompareSwap);
  swap.window = window;
  swap.remote_offset = 8;
  swap.compare = 1;
  swap.operand = 7;
  EXPECT_EQ(fabric.Run(1, swap).value, 100u);  // not equal: unchanged
  swap.compare = 100;
  EXPECT_EQ(fabric.Run(1, swap).value, 100u);
  swap.compare = 7;
  swap.operand = 8;
  EXPECT_EQ(fabric.Run(1, swap).value, 7u);
  swap.remote_offset = 4;
  EXPECT_EQ(fabric.Run(1, swap).status, Status::kInvalidArgument);
}

TEST_P(Conformance, ANotificationArrivesAfterItsData) {
  TestFabric fabric = Make(2);
  TestNode& sender = fabric.node(1);
  TestNode& receiver = fabric.node(2);
  abi::WindowId window = receiver.Open(1, 0, 1 << 20, abi::kAccessWrite);
  constexpr std::uint32_t kPiece = 3000;
  receiver.KeepOnNotify(kPiece);
  for (std::uint64_t i = 0; i < 50; ++i) {
    sender.Write(i * kPiece, std::string(kPiece, static_cast<char>('A' + i % 26)));
    Request put = To(receiver, OperationKind::kPutNotify);
    put.token = i;
    put.local_offset = sender.data(i * kPiece);
    put.length = kPiece;
    put.window = window;
    put.remote_offset = i * kPiece;
    put.operand = i;
    put.channel = i % 2 == 0 ? abi::Channel::kStream : abi::Channel::kEcho;
    sender.Submit(put);
  }
  const std::vector<ReceivedNotify>& heard = receiver.recorder.notifications;
  ASSERT_TRUE(
      fabric.Until([&] { return heard.size() == 50 && sender.recorder.ended.size() == 50; }));
  for (const ReceivedNotify& one : heard) {
    EXPECT_EQ(one.seen, std::string(kPiece, static_cast<char>('A' + one.word % 26)));
    EXPECT_EQ(one.channel, one.word % 2 == 0 ? abi::Channel::kStream : abi::Channel::kEcho);
  }
}

TEST_P(Conformance, WindowsAreChecked) {
  TestFabric fabric = Make(3);
  TestNode& target = fabric.node(2);
  abi::WindowId window = target.Open(5, 0, 4096, abi::kAccessRead);
  Request get = To(target, OperationKind::kGet);
  get.local_offset = fabric.node(1).data();
  get.length = 64;
  get.window = window;
  EXPECT_EQ(fabric.Run(1, get).outcome, Outcome::kDone);
  get.remote_offset = 4096 - 63;
  EXPECT_EQ(fabric.Run(1, get).status, Status::kOutOfRange);
  get.remote_offset = ~0ull - 10;
  EXPECT_EQ(fabric.Run(1, get).status, Status::kOutOfRange);
  get.remote_offset = 0;
  get.kind = OperationKind::kPut;
  EXPECT_EQ(fabric.Run(1, get).status, Status::kPermissionDenied);
  get.kind = OperationKind::kGet;
  get.window = abi::MakeWindowId(5, abi::WindowGeneration(window) + 2);
  EXPECT_EQ(fabric.Run(1, get).status, Status::kRevoked);
  get.window = abi::MakeWindowId(77777, 1);
  EXPECT_EQ(fabric.Run(1, get).outcome, Outcome::kNotSent);

  get.window = target.Open(6, 0, 4096, abi::kAccessRead, fabric.node(3).id());
  EXPECT_EQ(fabric.Run(1, get).status, Status::kPermissionDenied);
  get.local_offset = fabric.node(3).data();
  EXPECT_EQ(fabric.Run(3, get).outcome, Outcome::kDone);
}

TEST_P(Conformance, ARevokedWindowIsUntouchedAfterwards) {
  TestFabric fabric = Make(2);
  TestNode& target = fabric.node(2);
  abi::WindowId window = target.Open(9, 0, 4096, abi::kAccessAll);
  Request put = To(target, OperationKind::kPut);
  put.local_offset = fabric.node(1).data();
  put.length = 256;
  put.window = window;
  Warm(fabric, put);
  target.CloseWindow(9);
  target.RevokeWindow(555, window);
  EXPECT_EQ(fabric.End(2, 555).outcome, Outcome::kDone);
  fabric.node(1).Write(0, std::string(256, 'X'));
  Completion end = fabric.Run(1, put);
  EXPECT_EQ(end.outcome, Outcome::kNotSent);
  EXPECT_EQ(end.status, Status::kRevoked);
  EXPECT_NE(target.Read(0, 256), std::string(256, 'X'));
}

// A transport that moves a put in pieces finds out about the last one when the first has arrived.
TEST_P(Conformance, NotSentMeansThatNothingHappened) {
  TestFabric fabric = Make(2);
  TestNode& target = fabric.node(2);
  constexpr std::uint32_t kWindow = 80 << 10;
  constexpr std::uint32_t kPut = 100 << 10;
  abi::WindowId window = target.Open(4, 0, kWindow, abi::kAccessWrite);
  fabric.node(1).Write(0, std::string(kPut, 'X'));
  Request put = To(target, OperationKind::kPut);
  put.local_offset = fabric.node(1).data();
  put.length = kPut;
  put.window = window;
  Completion end = fabric.Run(1, put);
  EXPECT_NE(end.outcome, Outcome::kDone);
  EXPECT_EQ(end.status, Status::kOutOfRange);
  if (end.outcome == Outcome::kNotSent) {
    EXPECT_EQ(target.Read(0, kWindow), std::string(kWindow, '\0'));
  }
  EXPECT_EQ(target.Read(kWindow, 64), std::string(64, '\0'));
}

// A neighbour that has been stopped hears of none of the revocations; when it goes on, all end.
TEST_P(Conformance, RevocationsEndHoweverLongThePeerWasStopped) {
  TestFabric fabric = Make(2);
  TestNode& target = fabric.node(2);
  EXPECT_EQ(fabric.Run(1, Send(fabric.node(1), target, 0, "up")).outcome, Outcome::kDone);
  constexpr std::uint32_t kCount = 1500;  // more than a socket takes
  constexpr Token kFirst = 50'000;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    abi::WindowId window = target.Open(7, 0, 4096, abi::kAccessAll);
    target.CloseWindow(7);
    target.RevokeWindow(kFirst + i, window);
    target.Step();
  }
  EXPECT_TRUE(fabric.Until([&] {
    std::uint32_t ended = 0;
    for (const Completion& end : target.recorder.ended) ended += end.token >= kFirst ? 1 : 0;
    return ended == kCount;
  }));
}

TEST_P(Conformance, AStrangerIsNotReached) {
  TestFabric fabric = Make(2);
  Request request = Send(fabric.node(1), fabric.node(2), 0, "hello");
  request.peer = {9, 9};
  EXPECT_EQ(fabric.Run(1, request).status, Status::kNotInView);
  request.peer = {2, 999};  // another life of node 2
  EXPECT_EQ(fabric.Run(1, request).status, Status::kNotInView);
}

// Its address and secret are right, but it has come back since: another life is another peer.
TEST_P(Conformance, AnEarlierLifeIsNotReached) {
  TestFabric fabric = Make(2);
  TestNode& target = fabric.node(2);
  abi::WindowId window = target.Open(1, 0, 4096, abi::kAccessAll);
  PeerInfo earlier = TestFabric::InfoOf(target);
  earlier.id.incarnation -= 1;
  fabric.node(1).AddPeer(earlier);
  Request put = Put(fabric.node(1), target, window, "late");
  put.peer = earlier.id;
  put.deadline_ns = fabric.kind().clock().NowNs() + 200'000'000;
  Completion end = fabric.Run(1, put);
  EXPECT_EQ(end.outcome, Outcome::kNotSent);
  EXPECT_EQ(end.status, Status::kTimedOut);
  EXPECT_EQ(target.Read(0, 4), std::string(4, '\0'));
  put.peer = target.id();
  put.deadline_ns = 0;
  EXPECT_EQ(fabric.Run(1, put).outcome, Outcome::kDone);
}

TEST_P(Conformance, AWrongSecretIsRefused) {
  TestFabric fabric = Make(2);
  PeerInfo wrong = TestFabric::InfoOf(fabric.node(2));
  wrong.secret.fill(std::byte{99});
  fabric.node(1).AddPeer(wrong);
  Request request = Send(fabric.node(1), fabric.node(2), 0, "hello");
  request.deadline_ns = fabric.kind().clock().NowNs() + 200'000'000;
  Completion end = fabric.Run(1, request);
  EXPECT_EQ(end.outcome, Outcome::kNotSent);
  EXPECT_TRUE(fabric.node(2).recorder.messages.empty());
}

TEST_P(Conformance, NotSentAtItsDeadlineWhenThePeerDoesNotKnowUs) {
  TestFabric fabric = Make(2);
  fabric.node(2).RemovePeer(fabric.node(1).id(), Status::kNotInView);
  Request request = Send(fabric.node(1), fabric.node(2), 0, "hello");
  request.deadline_ns = fabric.kind().clock().NowNs() + 100'000'000;
  Completion end = fabric.Run(1, request);
  EXPECT_EQ(end.outcome, Outcome::kNotSent);
  EXPECT_EQ(end.status, Status::kTimedOut);

  // And goes through once the other side has the view, too.
  fabric.node(2).AddPeer(TestFabric::InfoOf(fabric.node(1)));
  request.deadline_ns = 0;
  EXPECT_EQ(fabric.Run(1, request).outcome, Outcome::kDone);
  ASSERT_TRUE(fabric.Until([&] { return fabric.node(2).recorder.messages.size() == 1; }));
}

TEST_P(Conformance, RemovingAPeerEndsEverythingAndSilencesIt) {
  TestFabric fabric = Make(2);
  TestNode& one = fabric.node(1);
  TestNode& two = fabric.node(2);
  EXPECT_EQ(fabric.Run(1, Send(one, two, 0, "first")).outcome, Outcome::kDone);
  EXPECT_EQ(fabric.Run(2, Send(two, one, 0, "back")).outcome, Outcome::kDone);
  ASSERT_TRUE(fabric.Until(
      [&] { return one.recorder.messages.size() == 1 && two.recorder.messages.size() == 1; }));
  constexpr Token kFirst = 10;
  for (Token i = 0; i < 20; ++i) {
    Request request = Send(one, two, i * 64, "more");
    request.token = kFirst + i;
    one.Submit(request);
  }
  one.RemovePeer(two.id(), Status::kNotInView);
  for (Token i = 0; i < 20; ++i) EXPECT_NE(one.recorder.Find(kFirst + i), nullptr);
  EXPECT_EQ(fabric.Run(1, Send(one, two, 0, "after")).status, Status::kNotInView);
  Request late = Send(two, one, 0, "late");
  late.deadline_ns = fabric.kind().clock().NowNs() + 100'000'000;
  late.token = 77;
  two.Submit(late);
  fabric.Until([&] { return two.recorder.Find(77) != nullptr; });
  fabric.Wait(4'000'000);
  EXPECT_EQ(one.recorder.messages.size(), 1u);
}

// A way that was cut for a while, at one end: what it swallowed ends all the same.
TEST_P(Conformance, WhatATargetNeverHeardEndsWhenItIsBack) {
  TestFabric fabric = Make(2);
  TestNode& one = fabric.node(1);
  TestNode& two = fabric.node(2);
  abi::WindowId window = two.Open(1, 0, 4096, abi::kAccessAll);
  Request get = Put(one, two, window, "there");
  EXPECT_EQ(fabric.Run(1, get).outcome, Outcome::kDone);
  get.kind = OperationKind::kGet;
  two.RemovePeer(one.id(), Status::kEndpointDown);
  const Token swallowed = fabric.Begin(1, get);
  fabric.Wait(20'000'000);
  two.AddPeer(TestFabric::InfoOf(one));
  // Not as late as with UCX's keepalive, 20 s; but a NIC gives up when its retries are over.
  const std::uint64_t patience =
      fabric.kind().OneSided() ? fabric.kind().PatienceNs() : 3'000'000'000;
  EXPECT_TRUE(fabric.Until([&] { return one.recorder.Find(swallowed) != nullptr; }, patience));
  EXPECT_TRUE(fabric.Until([&] { return fabric.Run(1, get).outcome == Outcome::kDone; }));
}

// A target that breaks its side, for an initiator that has only messages to it and none under way:
// what it sent last may be lost, so it must hear of it.
TEST_P(Conformance, AnIdleInitiatorHearsThatItsTargetHasBroken) {
  constexpr std::uint64_t kSoonNs = 1'000'000'000;
  TestFabric fabric = Make(2);
  TestNode& one = fabric.node(1);
  TestNode& two = fabric.node(2);
  EXPECT_EQ(fabric.Run(1, Send(one, two, 0, "only")).outcome, Outcome::kDone);
  ASSERT_TRUE(fabric.Until([&] { return two.recorder.messages.size() == 1; }));
  two.RemovePeer(one.id(), Status::kEndpointDown);
  two.AddPeer(TestFabric::InfoOf(one));
  fabric.Begin(2, Send(two, one, 0, "back"));
  EXPECT_TRUE(fabric.Until([&] { return !one.recorder.down.empty(); }, kSoonNs));
}

TEST_P(Conformance, EveryRequestEndsOnce) {
  TestFabric fabric = Make(3);
  abi::WindowId window = fabric.node(3).Open(2, 0, 1 << 20, abi::kAccessAll);
  std::uint64_t submitted = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    Request request = Send(fabric.node(1), fabric.node(2 + i % 2), (i % 32) * 64, "text");
    request.token = submitted++;
    if (i % 3 != 0) {
      request.peer = fabric.node(3).id();
      request.kind = i % 3 == 1 ? OperationKind::kPut : OperationKind::kGet;
      request.window = window;
    }
    if (i == 150)
      fabric.node(1).RemovePeer(fabric.node(2).id(), Status::kNotInView);
    fabric.node(1).Submit(request);
    if (i % 16 == 0)
      fabric.Step();
  }
  ASSERT_TRUE(fabric.Until([&] { return fabric.node(1).recorder.ended.size() == submitted; }));
  std::vector<int> seen(submitted);
  for (const Completion& end : fabric.node(1).recorder.ended) ++seen[end.token];
  for (std::uint64_t i = 0; i < submitted; ++i) EXPECT_EQ(seen[i], 1) << i;
}

// -- the other end is a process of its own: the target, or the initiator -------------------------

class BetweenProcesses : public Conformance {};

TEST_P(BetweenProcesses, AStoppedTargetIsWrittenAndReadIfTheTransportIsOneSided) {
  TestFabric fabric = Make(2);
  TestNode& one = fabric.node(1);
  RemoteNode& target = fabric.remote(2);
  abi::WindowId window = target.Open(1, 0, 65536, abi::kAccessAll);
  constexpr std::size_t kSize = 40'000;
  const Request put = Put(one, target, window, std::string(kSize, 'a'));
  Request get = put;
  get.kind = OperationKind::kGet;
  get.local_offset = one.data(1 << 20);
  Warm(fabric, put);
  EXPECT_EQ(fabric.Run(1, get).outcome, Outcome::kDone);
  target.Stop();
  one.Write(0, std::string(kSize, 'b'));
  const Token token = fabric.Begin(1, put);
  if (fabric.kind().OneSided()) {
    EXPECT_EQ(fabric.End(1, token).outcome, Outcome::kDone);
    EXPECT_EQ(fabric.Run(1, get).outcome, Outcome::kDone);
    EXPECT_EQ(one.Read(1 << 20, kSize), std::string(kSize, 'b'));
  } else {
    fabric.Wait(300'000'000);
    EXPECT_EQ(one.recorder.Find(token), nullptr);
  }
  target.Continue();
  EXPECT_EQ(fabric.End(1, token).outcome, Outcome::kDone);
  EXPECT_EQ(target.Read(0, kSize), std::string(kSize, 'b'));
}

// Removed while the target may or may not have done it: that is what the answer says.
TEST_P(BetweenProcesses, WhatIsUnderWayWhenThePeerIsRemovedIsUnknown) {
  TestFabric fabric = Make(2);
  TestNode& one = fabric.node(1);
  RemoteNode& target = fabric.remote(2);
  abi::WindowId window = target.Open(1, 0, 4096, abi::kAccessAll);
  Request add = To(target, OperationKind::kFetchAdd);
  add.window = window;
  add.operand = 1;
  EXPECT_EQ(fabric.Run(1, add).outcome, Outcome::kDone);
  target.Stop();
  const Token token = fabric.Begin(1, add);
  fabric.Wait(100'000'000);
  const bool ended = one.recorder.Find(token) != nullptr;
  EXPECT_EQ(ended, GetParam().name == "MappedProcesses");  // loads and stores of our own
  one.RemovePeer(target.id(), Status::kNotInView);
  ASSERT_NE(one.recorder.Find(token), nullptr);
  EXPECT_EQ(one.recorder.Find(token)->outcome, ended ? Outcome::kDone : Outcome::kUnknown);
  target.Continue();
  std::uint64_t value = 0;
  std::memcpy(&value, target.Read(0, sizeof value).data(), sizeof value);
  EXPECT_LE(value, 2u);
  EXPECT_GE(value, ended ? 2u : 1u);
}

// What an initiator tries that its target has fenced, whether it has heard of that or not.
void TryInVain(TestFabric& fabric, std::uint32_t from, std::uint32_t to, const Request& put) {
  std::vector<Token> tokens;
  for (int i = 0; i < 3; ++i) {
    tokens.push_back(fabric.Begin(from, put));
    fabric.Wait(100'000'000);
  }
  fabric.node(from).RemovePeer(fabric.node(to).id(), Status::kNotInView);
  for (Token token : tokens) EXPECT_NE(fabric.End(from, token).outcome, Outcome::kDone);
}

TEST_P(BetweenProcesses, ATargetThatHasRemovedUsIsNotTouched) {
  TestFabric fabric = Make(2);
  TestNode& one = fabric.node(1);
  RemoteNode& target = fabric.remote(2);
  abi::WindowId window = target.Open(1, 0, 4096, abi::kAccessAll);
  const Request put = Put(one, target, window, std::string(1024, 'a'));
  Warm(fabric, put);
  target.RemovePeer(one.id(), Status::kNotInView);
  target.CloseWindow(1);
  target.RevokeWindow(777, window);
  EXPECT_EQ(fabric.End(2, 777).outcome, Outcome::kDone);
  target.Write(0, std::string(1024, 'c'));  // it is the target's own again
  one.Write(0, std::string(1024, 'b'));
  TryInVain(fabric, 1, 2, put);
  EXPECT_EQ(target.Read(0, 1024), std::string(1024, 'c'));
}

// A stopped initiator is asked for what it holds and then fenced; when it goes on it writes
// nothing.
TEST_P(BetweenProcesses, AFencedInitiatorWritesNothingWhenItGoesOn) {
  TestFabric fabric = Make(2);
  TestNode& target = fabric.node(1);
  RemoteNode& initiator = fabric.remote(2);
  abi::WindowId window = target.Open(1, 0, 4096, abi::kAccessAll);
  const Request put = Put(initiator, target, window, std::string(1024, 'a'));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(fabric.Run(2, put).outcome, Outcome::kDone);
  initiator.Write(0, std::string(1024, 'b'));
  initiator.Stop();
  target.CloseWindow(1);
  target.RevokeWindow(777, window);
  fabric.Wait(50'000'000);
  target.RemovePeer(initiator.id(), Status::kNotInView);
  initiator.Continue();
  EXPECT_EQ(fabric.End(1, 777).outcome, Outcome::kDone);
  target.Write(0, std::string(1024, 'c'));
  TryInVain(fabric, 2, 1, put);
  EXPECT_EQ(target.Read(0, 1024), std::string(1024, 'c'));
}

void PrintTo(const Named& named, std::ostream* out) {
  *out << named.name;
}

// With K42_NODE_AGENTS ("10.77.0.2:7000", a machine that serves them) the transport is UCX over
// RDMA, and every second node there (tests/cluster/rdma_test.py).
std::vector<Named> Between() {
  if (const char* place = getenv("K42_NODE_AGENTS"); place != nullptr)
    return {{"Rdma", MakeUcxRdmaKind, std::make_shared<DialledAgents>("ucx-rdma", place)}};
  return {{"MappedProcesses", MakeMappedKind, std::make_shared<ForkedAgents>("mapped")},
          {"UcxProcesses", MakeUcxKind, std::make_shared<ForkedAgents>("ucx")}};
}

std::vector<Named> All() {
  std::vector<Named> all = Between();
  if (getenv("K42_NODE_AGENTS") == nullptr) {
    all.push_back({"Loopback", MakeLoopbackKind, nullptr});
    all.push_back({"Delayed", MakeDelayedKind, nullptr});
    all.push_back({"Mapped", MakeMappedKind, nullptr});
    all.push_back({"Ucx", MakeUcxKind, nullptr});
  }
  return all;
}

const auto kNameOf = [](const auto& test) { return test.param.name; };
INSTANTIATE_TEST_SUITE_P(Transports, Conformance, ::testing::ValuesIn(All()), kNameOf);
INSTANTIATE_TEST_SUITE_P(Transports, BetweenProcesses, ::testing::ValuesIn(Between()), kNameOf);

}  // namespace
}  // namespace k42::interconnect
