#include "io/fabric_stream.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "io/fabric_ring.h"

namespace k42::io {
namespace {

constexpr std::uint16_t kPort = 4000;

// One end with its memory; actions go into the network between two of them.
struct End {
  explicit End(StreamId id, std::uint32_t send = 4096, std::uint32_t receive = 4096)
      : send_memory(send), receive_memory(receive), stream({id, send, receive, id}) {}

  // What a connection does round the stream's steps.
  Result<std::uint64_t> Write(std::span<const std::byte> bytes) {
    StreamSpan room;
    TRY(stream.WriteRoom(&room));
    const auto count = std::min<std::uint64_t>(room.length, bytes.size());
    FabricRing(send_memory).CopyIn(room.position, bytes.first(count));
    stream.Written(count);
    return count;
  }
  Result<std::uint64_t> Read(std::span<std::byte> bytes) {
    StreamSpan there;
    TRY(stream.Readable(&there));
    const auto count = std::min<std::uint64_t>(there.length, bytes.size());
    FabricRing(receive_memory).CopyOut(there.position, bytes.first(count));
    stream.Consumed(count);
    return count;
  }

  std::vector<std::byte> send_memory, receive_memory;
  FabricStream stream;
  std::uint64_t timer = 0;
  bool released = false;
};

// Carries actions from one end to the other, in order; steps may be taken late, puts repeated as
// after a daemon's restart, and everything under way lost or cut short, as when the way breaks. A
// good end that is not awaited is told of with the next that is, and never if there is none: no
// heartbeat helps a stream here.
class Wire {
 public:
  Wire(End* client, End* server) : ends_{client, server} {}

  void Collect() {
    for (int i = 0; i < 2; i++) {
      StreamAction action;
      while (UnderWay(i) < kOperations && ends_[i]->stream.NextAction(&action)) {
        if (action.kind == StreamAction::Kind::kReleased) {
          ends_[i]->released = true;
        } else if (action.kind == StreamAction::Kind::kSetTimer) {
          ends_[i]->timer = action.deadline_ns;
        } else {
          action.awaited |= UnderWay(i) + 1 >= kOperations / 2;  // as a connection asks
          queue_[i].push_back(action);
        }
      }
    }
  }
  // Delivers the oldest action of end `from`; false if there is none.
  bool Deliver(int from, bool repeat_put = false) {
    Collect();
    if (queue_[from].empty())
      return false;
    StreamAction action = queue_[from].front();
    queue_[from].pop_front();
    for (int times = repeat_put ? 2 : 1; times > 0; times--) Arrive(from, action);
    Ended(from, action, Status::kOk);
    Collect();
    return true;
  }
  // The way breaks in both directions: of what is under way, some has happened though its end says
  // otherwise, some has ended well and was never seen by the other side.
  template <typename Random>
  void Break(Random& random) {
    Collect();
    for (int from = 0; from < 2; from++) {
      FabricStream& stream = ends_[from]->stream;
      while (!queue_[from].empty()) {
        StreamAction action = queue_[from].front();
        queue_[from].pop_front();
        const bool put = action.kind == StreamAction::Kind::kPut;
        const unsigned fate = random() % 4;
        if (fate == 0)
          Arrive(from, action);
        else if (fate == 1 && put)
          CopyOnly(from, action);  // the data is there, the notification lost, and it ends well
        const bool ends_well = (fate == 1) || (fate == 0 && random() % 2 == 0);
        const Status status = random() % 2 == 0 ? Status::kUnknown : Status::kEndpointDown;
        Ended(from, action, ends_well ? Status::kOk : status);
      }
      stream.OnBreak();
    }
    Collect();
  }
  // Those that are due soon; nobody waits for a minute.
  void FireTimers() {
    for (End* end : ends_) {
      if (end->timer <= now + 1'000'000'000)
        now = std::max(now, end->timer);
      end->stream.OnTimer(now);
    }
    Collect();
  }
  void Settle() {
    while (Deliver(0) || Deliver(1)) {
    }
  }
  std::uint64_t now = 0;

 private:
  static constexpr std::size_t kOperations = 8;  // a connection's
  struct Outcome {
    StreamAction action;
    Status status;
  };

  std::size_t UnderWay(int from) const { return queue_[from].size() + unseen_[from].size(); }
  void Ended(int from, const StreamAction& action, Status status) {
    unseen_[from].push_back({action, status});
    if (status == Status::kOk && !action.awaited)
      return;
    for (const auto& end : std::exchange(unseen_[from], {})) {
      if (end.action.kind == StreamAction::Kind::kPut)
        ends_[from]->stream.OnPutDone(end.action.put_end, end.status, now);
      else
        ends_[from]->stream.OnSendDone(end.status, now);
    }
  }
  void CopyOnly(int from, const StreamAction& action) {
    End& target = *ends_[1 - from];
    EXPECT_LE(action.remote_offset + action.length, target.receive_memory.size());
    std::copy_n(ends_[from]->send_memory.begin() + static_cast<long>(action.local_offset),
                action.length,
                target.receive_memory.begin() + static_cast<long>(action.remote_offset));
  }
  void Arrive(int from, const StreamAction& action) {
    FabricStream& target = ends_[1 - from]->stream;
    if (action.kind == StreamAction::Kind::kPut) {
      CopyOnly(from, action);
      target.OnData(action.word);
    } else if (action.message.kind == StreamMessageKind::kOpen &&
               target.state() == FabricStream::State::kIdle) {
      EXPECT_EQ(target.Accept(action.message, kPort), Status::kOk);
    } else {
      target.OnMessage(action.message, now);
    }
  }

  End* ends_[2];
  std::deque<StreamAction> queue_[2];
  std::vector<Outcome> unseen_[2];  // ended, and not told yet
};

struct Pair {
  explicit Pair(std::uint32_t ring = 4096, std::uint32_t server_ring = 4096)
      : client(1, ring, ring), server(2, server_ring, server_ring) {
    EXPECT_EQ(client.stream.Connect(5000, kPort, 0), Status::kInProgress);
    wire.Settle();
    EXPECT_EQ(client.stream.state(), FabricStream::State::kOpen);
  }
  End client, server;
  Wire wire{&client, &server};
};

std::vector<std::byte> Bytes(std::size_t count, unsigned seed = 0) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; i++) bytes[i] = static_cast<std::byte>((i + seed) * 31 >> 3);
  return bytes;
}

std::vector<std::byte> ReadAll(End& end) {
  std::vector<std::byte> all, part(1000);
  for (;;) {
    auto got = end.Read(part);
    if (!got.ok() || got.value() == 0)
      return all;
    all.insert(all.end(), part.begin(), part.begin() + static_cast<long>(got.value()));
  }
}

TEST(FabricStream, ConnectsAndCarriesBytesBothWays) {
  Pair pair;
  auto there = Bytes(3000), back = Bytes(2000, 9);
  EXPECT_EQ(pair.client.Write(there).value(), 3000u);
  EXPECT_EQ(pair.server.Write(back).value(), 2000u);
  pair.wire.Settle();
  EXPECT_EQ(ReadAll(pair.server), there);
  EXPECT_EQ(ReadAll(pair.client), back);
  EXPECT_EQ(pair.client.stream.Connect(1, 1, 0), Status::kAlreadyConnected);
}

TEST(FabricStream, AFullRingBlocksTheWriterUntilTheReaderReads) {
  Pair pair;
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
  End client(1);
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

// A kernel that does not know us yet, or has no memory for its answer, says nothing.
TEST(FabricStream, AnOpeningThatIsLostIsSaidAgainAndGivenUpInTheEnd) {
  End client(1);
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

TEST(FabricStream, HalfCloseLetsTheOtherDirectionGoOn) {
  Pair pair;
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
  Pair pair;
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
  Pair pair;
  pair.server.stream.Close(0);
  pair.wire.Settle();
  EXPECT_TRUE(pair.client.Write(Bytes(10)).ok());
  pair.wire.Settle();
  EXPECT_EQ(pair.client.Write(Bytes(10)).status(), Status::kBrokenPipe);
  EXPECT_TRUE(pair.server.released);
}

TEST(FabricStream, AnEndThatNeverFinishesIsCutOff) {
  Pair pair;
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
  Pair pair;
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
  End client(1), server(2);
  Wire wire(&client, &server);
  EXPECT_EQ(client.stream.Connect(5000, kPort, 0), Status::kInProgress);
  wire.Deliver(0);
  client.stream.Close(0);
  wire.Settle();
  EXPECT_EQ(server.stream.TakeError(), Status::kConnectionReset);
}

// The peer has read everything and gone before we saw the end of our last put.
TEST(FabricStream, AResetBehindEverythingIsNoErrorThoughThePutsEndWasNotSeen) {
  Pair pair;
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

// What a stream says once nobody will use it any more, and its last words before: the memory goes
// with their ends.
TEST(FabricStream, TheEndsOfLastWordsAreAwaited) {
  Pair pair;
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

// Ten thousand schedules of writes, reads, late deliveries, repeated puts and, in every second one,
// a way that breaks now and then: every byte arrives once and in order, and both ends let go.
TEST(FabricStream, SeededSchedules) {
  for (unsigned seed = 1; seed <= 10000; seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const bool breaks = seed % 2 == 0;
    const std::uint32_t ring = 4096u << random() % 3;  // that of a node with much room, or little
    Pair pair(ring, 4096u << random() % 3);
    End* ends[2] = {&pair.client, &pair.server};
    std::vector<std::byte> sent[2], got[2];
    bool finished[2] = {false, false};
    std::uint32_t limit = random() % 20000;
    for (int step = 0; step < 12000 && !(finished[0] && finished[1]); step++) {
      int side = static_cast<int>(random() % 2);
      End& end = *ends[side];
      if (breaks && random() % 50 == 0)
        pair.wire.Break(random);
      switch (random() % 5) {
        case 0: {
          auto bytes = Bytes(random() % 3000, static_cast<unsigned>(sent[side].size()));
          if (sent[side].size() + bytes.size() > limit) {
            EXPECT_EQ(end.stream.ShutdownWrite(), Status::kOk);
            break;
          }
          auto took = end.Write(bytes);
          if (took.ok())
            sent[side].insert(sent[side].end(), bytes.begin(),
                              bytes.begin() + static_cast<long>(took.value()));
          break;
        }
        case 1: {
          std::vector<std::byte> part(random() % 3000 + 1);
          auto read = end.Read(part);
          if (read.ok() && read.value() == 0)
            finished[side] = true;
          else if (read.ok())
            got[side].insert(got[side].end(), part.begin(),
                             part.begin() + static_cast<long>(read.value()));
          break;
        }
        case 2:
          pair.wire.FireTimers();
          break;
        default:
          pair.wire.Deliver(side, random() % 8 == 0);
      }
    }
    ASSERT_TRUE(finished[0] && finished[1]);
    ASSERT_TRUE(got[1] == sent[0] && got[0] == sent[1]);
    // One lets go first; the way may break again; nobody sees more than the end.
    const int first = static_cast<int>(random() % 2);
    for (int i = 0; i < 6; i++) {
      if (i < 2)
        ends[i == 0 ? first : 1 - first]->stream.Close(pair.wire.now);
      if (breaks && i < 3)
        pair.wire.Break(random);
      for (unsigned steps = random() % 4; steps > 0; steps--)
        pair.wire.Deliver(static_cast<int>(random() % 2));
      ASSERT_EQ(ends[1 - first]->stream.TakeError(), Status::kOk);
      if (i >= 3) {
        pair.wire.FireTimers();
        pair.wire.Settle();
      }
    }
    ASSERT_TRUE(pair.client.released && pair.server.released);
  }
}

// The way breaks before the connection stands, at every point of the exchange.
TEST(FabricStream, ConnectingOverAWayThatBreaks) {
  for (unsigned seed = 1; seed <= 2000; seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    End client(1), server(2);
    Wire wire(&client, &server);
    EXPECT_EQ(client.stream.Connect(5000, kPort, 0), Status::kInProgress);
    for (unsigned i = random() % 4; i > 0; i--) {
      if (random() % 2)
        wire.Deliver(static_cast<int>(random() % 2));
      wire.Break(random);
    }
    for (int i = 0; i < 3; i++) {
      wire.FireTimers();
      wire.Settle();
    }
    ASSERT_EQ(client.stream.state(), FabricStream::State::kOpen);
    ASSERT_EQ(client.Write(Bytes(10)).value(), 10u);
    wire.Settle();
    ASSERT_EQ(ReadAll(server), Bytes(10));
  }
}

// A peer may say anything: nothing is written or read outside the rings, no put leaves its window.
TEST(FabricStream, HostilePeer) {
  for (unsigned seed = 1; seed <= 2000; seed++) {
    std::mt19937_64 random(seed);
    Pair pair;
    FabricStream& stream = pair.client.stream;
    std::vector<std::byte> part(5000);
    for (int step = 0; step < 200; step++) {
      StreamMessage message;
      auto* words = reinterpret_cast<std::byte*>(&message);
      message.kind = static_cast<StreamMessageKind>(random() % 8);
      message.position = random() % 3 == 0 ? random() : random() % 10000;
      message.window_size = static_cast<std::uint32_t>(random());
      StreamMessage parsed;
      if (ParseStreamMessage({words, sizeof message}, &parsed) == Status::kOk)
        stream.OnMessage(parsed, 0);
      stream.OnData(random() % 2 ? random() : MakeDataWord(1, random() % 6000, random() % 6000));
      stream.OnPutDone(random(), Status::kOk);
      (void)pair.client.Write(std::span(part).first(random() % 3000));
      (void)pair.client.Read(part);
      StreamAction action;
      while (stream.NextAction(&action))
        if (action.kind == StreamAction::Kind::kPut) {
          ASSERT_LE(action.local_offset + action.length, 4096u);
          ASSERT_LE(action.remote_offset + action.length, 4096u);
        }
    }
  }
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
