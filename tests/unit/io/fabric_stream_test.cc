// A stream is made, and carries bytes.
#include "io/fabric_stream.h"

#include <gtest/gtest.h>

#include <vector>

#include "unit/io/fabric_stream_pair.h"

namespace k42::io {
namespace {

TEST(FabricStream, ConnectsAndCarriesBytesBothWays) {
  StreamPair pair;
  auto there = Bytes(3000), back = Bytes(2000, 9);
  EXPECT_EQ(pair.client.Write(there).value(), 3000u);
  EXPECT_EQ(pair.server.Write(back).value(), 2000u);
  pair.wire.Settle();
  EXPECT_EQ(ReadAll(pair.server), there);
  EXPECT_EQ(ReadAll(pair.client), back);
  EXPECT_EQ(pair.client.stream.Connect(1, 1, 0), Status::kAlreadyConnected);
}

TEST(FabricStream, AFullRingBlocksTheWriterUntilTheReaderReads) {
  StreamPair pair;
  auto bytes = Bytes(20000);
  // The peer's ring and our own: two rings' worth.
  std::uint64_t taken = pair.client.Write(bytes).value();
  pair.wire.Settle();
  taken += pair.client.Write(std::span(bytes).subspan(taken)).value();
  pair.wire.Settle();
  EXPECT_EQ(taken, 8192u);
  EXPECT_EQ(pair.client.Write(std::span(bytes).subspan(taken)).status(), Status::kWouldBlock);
  EXPECT_FALSE(pair.client.stream.Readiness().writable);
  std::vector<std::byte> got(8192);
  EXPECT_EQ(pair.server.Read(got).value(), 4096u);
  pair.wire.Settle();
  EXPECT_TRUE(pair.client.stream.Readiness().writable);
}

TEST(FabricStream, RefusalAndFullBacklog) {
  StreamEnd client(1);
  EXPECT_EQ(client.stream.Connect(5000, kPort, 0), Status::kInProgress);
  StreamAction action;
  ASSERT_TRUE(client.stream.NextAction(&action));
  EXPECT_EQ(action.kind, StreamAction::Kind::kSetTimer);
  ASSERT_TRUE(client.stream.NextAction(&action));
  EXPECT_EQ(action.message.kind, StreamMessageKind::kOpen);
  StreamMessage refused;
  refused.kind = StreamMessageKind::kRefused;
  refused.status = Status::kBusy;
  client.stream.OnMessage(refused, 100);
  ASSERT_TRUE(client.stream.NextAction(&action));
  ASSERT_EQ(action.kind, StreamAction::Kind::kSetTimer);
  client.stream.OnTimer(action.deadline_ns);
  ASSERT_TRUE(client.stream.NextAction(&action));
  EXPECT_EQ(action.kind, StreamAction::Kind::kSetTimer);
  ASSERT_TRUE(client.stream.NextAction(&action));
  EXPECT_EQ(action.message.kind, StreamMessageKind::kOpen);
  refused.status = Status::kConnectionRefused;
  client.stream.OnMessage(refused, 200);
  EXPECT_TRUE(client.stream.Readiness().error);
  EXPECT_EQ(client.stream.TakeError(), Status::kConnectionRefused);
  EXPECT_EQ(client.stream.TakeError(), Status::kOk);
}

TEST(FabricStream, AnOpeningThatIsLostIsSaidAgainAndGivenUpInTheEnd) {
  StreamEnd client(1);
  EXPECT_EQ(client.stream.Connect(5000, kPort, 0), Status::kInProgress);
  std::uint64_t now = 0;
  unsigned openings = 0;
  while (client.stream.state() == FabricStream::State::kConnecting && openings < 1000) {
    StreamAction action;
    while (client.stream.NextAction(&action)) {
      if (action.kind == StreamAction::Kind::kSetTimer) {
        now = action.deadline_ns;
      } else {
        EXPECT_EQ(action.message.kind, StreamMessageKind::kOpen);
        client.stream.OnSendDone(Status::kOk, now);
        openings++;
      }
    }
    client.stream.OnTimer(now);
  }
  EXPECT_GT(openings, 10u);
  EXPECT_EQ(client.stream.state(), FabricStream::State::kClosed);
  EXPECT_GE(now, 127'000'000'000u);
  EXPECT_LT(now, 140'000'000'000u);
  EXPECT_EQ(client.stream.TakeError(), Status::kTimedOut);
}

TEST(FabricStreamMessage, TailsAreRebuiltFromTheirLowBits) {
  std::uint64_t far = (std::uint64_t{3} << kTailBits) - 5;
  EXPECT_EQ(DataWordTail(MakeDataWord(7, far + 9, 9), far), far + 9);
  EXPECT_EQ(DataWordTail(MakeDataWord(7, far - 9, 9), far), far - 9);
  EXPECT_EQ(DataWordLength(MakeDataWord(7, far, 256 << 10)), 256u << 10);
  EXPECT_EQ(DataWordStream(MakeDataWord(0x123456, 1, 1)), 0x123456u);
}

}  // namespace
}  // namespace k42::io
