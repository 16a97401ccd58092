// Streams under random schedules: late, repeated and lost steps, and a peer that says anything.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "io/fabric_stream.h"
#include "unit/io/fabric_stream_pair.h"

namespace k42::io {
namespace {

TEST(FabricStream, SeededSchedules) {
  for (unsigned seed = 1; seed <= 10000; seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const bool breaks = seed % 2 == 0;
    const std::uint32_t ring = 4096u << random() % 3;  // that of a node with much room, or little
    StreamPair pair(ring, 4096u << random() % 3);
    StreamEnd* ends[2] = {&pair.client, &pair.server};
    std::vector<std::byte> sent[2], got[2];
    bool finished[2] = {false, false};
    std::uint32_t limit = random() % 20000;
    for (int step = 0; step < 12000 && !(finished[0] && finished[1]); step++) {
      int side = static_cast<int>(random() % 2);
      StreamEnd& end = *ends[side];
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

TEST(FabricStream, ConnectingOverAWayThatBreaks) {
  for (unsigned seed = 1; seed <= 2000; seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    StreamEnd client(1), server(2);
    StreamWire wire(&client, &server);
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

TEST(FabricStream, HostilePeer) {
  for (unsigned seed = 1; seed <= 2000; seed++) {
    std::mt19937_64 random(seed);
    StreamPair pair;
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

}  // namespace
}  // namespace k42::io
