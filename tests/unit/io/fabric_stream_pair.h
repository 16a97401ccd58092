// Two ends of a fabric stream with their memory, and the wire between them.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <utility>
#include <vector>

#include "io/fabric_ring.h"
#include "io/fabric_stream.h"

namespace k42::io {

inline constexpr std::uint16_t kPort = 4000;

// One end with its memory; actions go into the network between two of them.
struct StreamEnd {
  explicit StreamEnd(StreamId id, std::uint32_t send = 4096, std::uint32_t receive = 4096)
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
class StreamWire {
 public:
  StreamWire(StreamEnd* client, StreamEnd* server) : ends_{client, server} {}

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
    for (StreamEnd* end : ends_) {
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
    StreamEnd& target = *ends_[1 - from];
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

  StreamEnd* ends_[2];
  std::deque<StreamAction> queue_[2];
  std::vector<Outcome> unseen_[2];  // ended, and not told yet
};

struct StreamPair {
  explicit StreamPair(std::uint32_t ring = 4096, std::uint32_t server_ring = 4096)
      : client(1, ring, ring), server(2, server_ring, server_ring) {
    EXPECT_EQ(client.stream.Connect(5000, kPort, 0), Status::kInProgress);
    wire.Settle();
    EXPECT_EQ(client.stream.state(), FabricStream::State::kOpen);
  }
  StreamEnd client, server;
  StreamWire wire{&client, &server};
};

inline std::vector<std::byte> Bytes(std::size_t count, unsigned seed = 0) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; i++) bytes[i] = static_cast<std::byte>((i + seed) * 31 >> 3);
  return bytes;
}

inline std::vector<std::byte> ReadAll(StreamEnd& end) {
  std::vector<std::byte> all, part(1000);
  for (;;) {
    auto got = end.Read(part);
    if (!got.ok() || got.value() == 0)
      return all;
    all.insert(all.end(), part.begin(), part.begin() + static_cast<long>(got.value()));
  }
}

}  // namespace k42::io
