// The transport contract (interconnect/transport.h), held against every transport.
#include <gtest/gtest.h>

#include "unit/interconnect/test_fabric.h"

namespace k42::interconnect {
namespace {

struct Named {
  const char* name;
  std::unique_ptr<Kind> (*make)();
};

class Conformance : public ::testing::TestWithParam<Named> {
 protected:
  TestFabric Make(std::uint32_t nodes) { return TestFabric(GetParam().make(), nodes); }

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
};

TEST_P(Conformance, MessagesArriveInOrderOncePerChannel) {
  TestFabric fabric = Make(3);
  constexpr std::uint64_t kCount = 200;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    Request request = Send(fabric.node(1), fabric.node(2), i * 64, std::to_string(i));
    request.token = i;
    request.channel = i % 2 == 0 ? abi::Channel::kCall : abi::Channel::kStream;
    request.receiver_cpu = i % 2;
    fabric.node(1).transport->Submit(request);
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
  int checked = 0;
  receiver.recorder.on_notify = [&](std::uint64_t word) {
    EXPECT_EQ(receiver.Read(word * kPiece, kPiece), std::string(kPiece, 'A' + word % 26));
    ++checked;
  };
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
    sender.transport->Submit(put);
  }
  ASSERT_TRUE(fabric.Until([&] { return checked == 50 && sender.recorder.ended.size() == 50; }));
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(receiver.recorder.notified_channels[i], receiver.recorder.notifications[i] % 2 == 0
                                                          ? abi::Channel::kStream
                                                          : abi::Channel::kEcho);
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

  abi::WindowId own = target.Open(6, 0, 4096, abi::kAccessRead);
  target.arena->window(6).peer_node = 3;
  target.arena->window(6).peer_incarnation = fabric.node(3).id().incarnation;
  get.window = own;
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
  EXPECT_EQ(fabric.Run(1, put).outcome, Outcome::kDone);
  target.CloseWindow(9);
  target.transport->RevokeWindow(555, window);
  ASSERT_TRUE(fabric.Until([&] { return target.recorder.Find(555) != nullptr; }));
  EXPECT_EQ(target.recorder.Find(555)->outcome, Outcome::kDone);
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
    target.transport->RevokeWindow(kFirst + i, window);
    target.transport->Progress();
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

TEST_P(Conformance, AWrongSecretIsRefused) {
  TestFabric fabric = Make(2);
  PeerInfo wrong = TestFabric::InfoOf(fabric.node(2));
  wrong.secret.fill(std::byte{99});
  fabric.node(1).transport->AddPeer(wrong);
  Request request = Send(fabric.node(1), fabric.node(2), 0, "hello");
  request.deadline_ns = fabric.kind().clock().NowNs() + 200'000'000;
  Completion end = fabric.Run(1, request);
  EXPECT_EQ(end.outcome, Outcome::kNotSent);
  EXPECT_TRUE(fabric.node(2).recorder.messages.empty());
}

TEST_P(Conformance, NotSentAtItsDeadlineWhenThePeerDoesNotKnowUs) {
  TestFabric fabric = Make(2);
  fabric.node(2).transport->RemovePeer(fabric.node(1).id(), Status::kNotInView);
  Request request = Send(fabric.node(1), fabric.node(2), 0, "hello");
  request.deadline_ns = fabric.kind().clock().NowNs() + 100'000'000;
  Completion end = fabric.Run(1, request);
  EXPECT_EQ(end.outcome, Outcome::kNotSent);
  EXPECT_EQ(end.status, Status::kTimedOut);

  // And goes through once the other side has the view, too.
  fabric.node(2).transport->AddPeer(TestFabric::InfoOf(fabric.node(1)));
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
    one.transport->Submit(request);
  }
  one.transport->RemovePeer(two.id(), Status::kNotInView);
  for (Token i = 0; i < 20; ++i) EXPECT_NE(one.recorder.Find(kFirst + i), nullptr);
  EXPECT_EQ(fabric.Run(1, Send(one, two, 0, "after")).status, Status::kNotInView);
  Request late = Send(two, one, 0, "late");
  late.deadline_ns = fabric.kind().clock().NowNs() + 100'000'000;
  late.token = 77;
  two.transport->Submit(late);
  fabric.Until([&] { return two.recorder.Find(77) != nullptr; });
  for (int i = 0; i < 200; ++i) fabric.Step();
  EXPECT_EQ(one.recorder.messages.size(), 1u);
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
      fabric.node(1).transport->RemovePeer(fabric.node(2).id(), Status::kNotInView);
    fabric.node(1).transport->Submit(request);
    if (i % 16 == 0)
      fabric.Step();
  }
  ASSERT_TRUE(fabric.Until([&] { return fabric.node(1).recorder.ended.size() == submitted; }));
  std::vector<int> seen(submitted);
  for (const Completion& end : fabric.node(1).recorder.ended) ++seen[end.token];
  for (std::uint64_t i = 0; i < submitted; ++i) EXPECT_EQ(seen[i], 1) << i;
}

INSTANTIATE_TEST_SUITE_P(Transports, Conformance,
                         ::testing::Values(Named{"Loopback", MakeLoopbackKind},
                                           Named{"Delayed", MakeDelayedKind},
                                           Named{"Mapped", MakeMappedKind},
                                           Named{"Ucx", MakeUcxKind}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace k42::interconnect
