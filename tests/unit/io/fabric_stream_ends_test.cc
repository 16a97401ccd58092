// How a stream ends: by both sides in turn, by a reset, by the death of a peer.
#include <gtest/gtest.h>

#include <vector>

#include "io/fabric_stream.h"
#include "unit/io/fabric_stream_pair.h"

namespace k42::io {
namespace {

TEST(FabricStream, HalfCloseLetsTheOtherDirectionGoOn) {
  StreamPair pair;
  EXPECT_EQ(pair.client.Write(Bytes(10)).value(), 10u);
  EXPECT_EQ(pair.client.stream.ShutdownWrite(), Status::kOk);
  pair.wire.Settle();
  std::vector<std::byte> got(100);
  EXPECT_TRUE(pair.server.stream.Readiness().read_hangup);
  EXPECT_EQ(pair.server.Read(got).value(), 10u);
  EXPECT_EQ(pair.server.Read(got).value(), 0u);
  EXPECT_EQ(pair.client.Write(got).status(), Status::kBrokenPipe);
  EXPECT_EQ(pair.server.Write(Bytes(5)).value(), 5u);
  pair.server.stream.Close(0);
  pair.wire.Settle();
  EXPECT_EQ(pair.client.Read(got).value(), 5u);
  EXPECT_EQ(pair.client.Read(got).value(), 0u);
  pair.client.stream.Close(0);
  pair.wire.Settle();
  EXPECT_TRUE(pair.client.released);
  EXPECT_TRUE(pair.server.released);
}

TEST(FabricStream, ClosingWithUnreadDataResets) {
  StreamPair pair;
  EXPECT_TRUE(pair.client.Write(Bytes(10)).ok());
  pair.wire.Settle();
  pair.server.stream.Close(0);
  pair.wire.Settle();
  std::vector<std::byte> got(10);
  EXPECT_EQ(pair.client.Read(got).status(), Status::kConnectionReset);
  EXPECT_EQ(pair.client.Read(got).value(), 0u);
  EXPECT_EQ(pair.client.Write(got).status(), Status::kBrokenPipe);
}

TEST(FabricStream, DataForAClosedEndIsAnsweredByReset) {
  StreamPair pair;
  pair.server.stream.Close(0);
  pair.wire.Settle();
  EXPECT_TRUE(pair.client.Write(Bytes(10)).ok());
  pair.wire.Settle();
  EXPECT_EQ(pair.client.Write(Bytes(10)).status(), Status::kBrokenPipe);
  EXPECT_TRUE(pair.server.released);
}

TEST(FabricStream, AnEndThatNeverFinishesIsCutOff) {
  StreamPair pair;
  pair.server.stream.Close(0);
  pair.wire.Settle();
  EXPECT_FALSE(pair.server.released);
  ASSERT_NE(pair.server.timer, 0u);
  pair.server.stream.OnTimer(pair.server.timer);
  pair.wire.Settle();
  EXPECT_TRUE(pair.server.released);
  EXPECT_EQ(pair.client.stream.TakeError(), Status::kBrokenPipe);
}

TEST(FabricStream, ThePeersDeathIsAResetAtOnceAndKeepsWhatArrived) {
  StreamPair pair;
  EXPECT_TRUE(pair.client.Write(Bytes(10)).ok());
  pair.wire.Settle();
  pair.server.stream.OnPeerGone();
  std::vector<std::byte> got(100);
  EXPECT_EQ(pair.server.Read(got).value(), 10u);
  EXPECT_EQ(pair.server.Read(got).status(), Status::kConnectionReset);
  pair.server.stream.Close(0);
  StreamAction action;
  ASSERT_TRUE(pair.server.stream.NextAction(&action));
  EXPECT_EQ(action.kind, StreamAction::Kind::kReleased);
}

TEST(FabricStream, ClosingWhileConnectingResetsTheLateAnswer) {
  StreamEnd client(1), server(2);
  StreamWire wire(&client, &server);
  EXPECT_EQ(client.stream.Connect(5000, kPort, 0), Status::kInProgress);
  wire.Deliver(0);
  client.stream.Close(0);
  wire.Settle();
  EXPECT_EQ(server.stream.TakeError(), Status::kConnectionReset);
}

TEST(FabricStream, AResetBehindEverythingIsNoErrorThoughThePutsEndWasNotSeen) {
  StreamPair pair;
  FabricStream& stream = pair.client.stream;
  EXPECT_TRUE(pair.client.Write(Bytes(10)).ok());
  EXPECT_EQ(stream.ShutdownWrite(), Status::kOk);
  for (StreamAction action; stream.NextAction(&action);) {
  }
  StreamMessage message;
  message.from = 2;
  message.kind = StreamMessageKind::kFinishSeen;
  stream.OnMessage(message, 0);
  message.kind = StreamMessageKind::kFinish;
  stream.OnMessage(message, 0);
  message.kind = StreamMessageKind::kReset;
  stream.OnMessage(message, 0);
  EXPECT_EQ(stream.state(), FabricStream::State::kClosed);
  EXPECT_EQ(stream.TakeError(), Status::kOk);
}

TEST(FabricStream, TheEndsOfLastWordsAreAwaited) {
  StreamPair pair;
  FabricStream& stream = pair.client.stream;
  StreamAction action;
  EXPECT_TRUE(pair.client.Write(Bytes(10)).ok());
  ASSERT_TRUE(stream.NextAction(&action));
  EXPECT_FALSE(action.awaited);
  EXPECT_EQ(stream.ShutdownWrite(), Status::kOk);
  ASSERT_TRUE(stream.NextAction(&action));
  EXPECT_EQ(action.message.kind, StreamMessageKind::kFinish);
  EXPECT_TRUE(action.awaited);
  EXPECT_TRUE(pair.server.Write(Bytes(10)).ok());
  pair.server.stream.Close(0);
  while (pair.server.stream.NextAction(&action))
    EXPECT_TRUE(action.awaited || action.kind == StreamAction::Kind::kSetTimer);
}

// Nobody awaits the end of a lone put: who is reset meanwhile sees it with the end of an answer.
TEST(FabricStream, AResetEndLetsGoThoughAPutIsUnderWay) {
  for (const bool sees_it_first : {false, true}) {
    StreamPair pair;
    EXPECT_TRUE(pair.client.Write(Bytes(10)).ok());
    pair.wire.Deliver(0);
    EXPECT_TRUE(pair.client.Write(Bytes(10)).ok());
    if (!sees_it_first)
      pair.client.stream.Close(0);
    pair.server.stream.Close(0);  // with bytes unread
    pair.wire.Settle();
    pair.client.stream.Close(0);
    pair.wire.Settle();
    EXPECT_TRUE(pair.client.released);
    EXPECT_TRUE(pair.server.released);
  }
}

}  // namespace
}  // namespace k42::io
