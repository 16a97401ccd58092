// libFuzzer: one end of a stream between nodes, whose peer says what it likes, in whatever order,
// over a way that loses what it likes. Positions must keep the order that fabric_stream_state.h
// promises, and what the owner is told to do must stay inside both rings.
#include <cstdlib>
#include <vector>

#include "fuzz/fuzz_input.h"
#include "io/fabric_stream.h"

namespace k42::io {
namespace {

constexpr std::uint32_t kSendRing = 8192, kReceiveRing = 4096;
constexpr StreamId kOwn = MakeStreamId(7, 1);

void Require(bool holds) {
  if (!holds)
    std::abort();
}

class StreamFuzz {
 public:
  explicit StreamFuzz(FuzzInput input) : input_(input) {
    stream_.Start({kOwn, kSendRing, kReceiveRing, 0x100000007});
  }

  void Run() {
    while (!input_.empty() && !released_) {
      Step();
      Check();
      CarryOut();
      Check();
    }
  }

 private:
  const FabricStreamState& state() {
    return *reinterpret_cast<const FabricStreamState*>(stream_.Export(kStreamStateV1));
  }
  void Check() {
    const FabricStreamState& s = state();
    Require(s.done <= s.sent && s.sent <= s.written && s.written - s.done <= kSendRing);
    Require(s.consumed_by_peer <= s.ever_sent && s.sent <= s.ever_sent);
    Require(s.sent <= s.consumed_by_peer || s.sent - s.consumed_by_peer <= s.peer_size);
    Require(s.credited <= s.head && s.head <= s.tail && s.tail - s.credited <= kReceiveRing);
    Require(s.put_count <= FabricStreamState::kMaxPuts);
  }

  void Step() {
    switch (input_.Take<std::uint8_t>() % 14) {
      case 0:
        (void)stream_.Connect(1, 2, now_);
        return;
      case 1:
        if (StreamMessage open; Heard(&open) && stream_.Accept(open, 1) == Status::kOk)
          Require(open.kind == StreamMessageKind::kOpen);
        return;
      case 2: {
        StreamSpan room;
        if (stream_.WriteRoom(&room) != Status::kOk)
          return;
        Require(room.length != 0 && room.length <= kSendRing);
        return stream_.Written(input_.Take<std::uint16_t>() % (room.length + 1));
      }
      case 3: {
        StreamSpan bytes;
        if (stream_.Readable(&bytes) != Status::kOk)
          return;
        Require(bytes.length <= kReceiveRing);
        return stream_.Consumed(input_.Take<std::uint16_t>() % (bytes.length + 1));
      }
      case 4:
        return (void)(input_.Take<std::uint8_t>() % 2 == 0 ? stream_.ShutdownWrite()
                                                           : stream_.ShutdownRead());
      case 5:
        return stream_.Close(now_, input_.Take<std::uint8_t>() % 2 == 0);
      case 6:
        now_ += input_.Take<std::uint32_t>() * std::uint64_t{1000};
        return stream_.OnTimer(now_);
      case 7:
        return PutEnds();
      case 8:
        if (sends_ != 0) {
          --sends_;
          stream_.OnSendDone(AStatus(), now_);
        }
        return;
      case 9:
        return stream_.OnBreak();
      case 10:
        return stream_.OnPeerGone();
      case 11:
        return stream_.OnData(MakeDataWord(kOwn, APosition(), input_.Take<std::uint32_t>()));
      default:
        if (StreamMessage message; Heard(&message))
          stream_.OnMessage(message, now_);
        return;
    }
  }

  // Near something that the stream knows, or anywhere.
  std::uint64_t APosition() {
    const FabricStreamState& s = state();
    const std::uint64_t near[] = {0,      s.head, s.tail,      s.credited,
                                  s.done, s.sent, s.ever_sent, input_.Take<std::uint64_t>()};
    const std::uint8_t which = input_.Take<std::uint8_t>();
    return near[which % std::size(near)] +
           static_cast<std::uint64_t>(std::int64_t{input_.Take<std::int16_t>()});
  }
  bool Heard(StreamMessage* message) {
    StreamMessage raw;
    raw.kind = static_cast<StreamMessageKind>(input_.Take<std::uint8_t>() % 10);
    raw.from = input_.Take<std::uint8_t>() % 4;
    raw.to = kOwn;
    raw.window = input_.Take<std::uint32_t>();
    raw.window_size = 1u << input_.Take<std::uint8_t>() % 24;
    raw.position = APosition();
    raw.status = AStatus();
    return ParseStreamMessage({reinterpret_cast<const std::byte*>(&raw), sizeof raw}, message) ==
           Status::kOk;
  }
  Status AStatus() {
    static constexpr Status kStatuses[] = {
        Status::kOk,      Status::kOk,   Status::kEndpointDown, Status::kUnknown,
        Status::kRevoked, Status::kBusy, Status::kNotInView,    Status::kConnectionRefused};
    return kStatuses[input_.Take<std::uint8_t>() % std::size(kStatuses)];
  }
  void PutEnds() {
    if (puts_.empty())
      return;
    const std::size_t which = input_.Take<std::uint8_t>() % puts_.size();
    const std::uint64_t end = puts_[which];
    puts_.erase(puts_.begin() + static_cast<std::ptrdiff_t>(which));
    stream_.OnPutDone(end, AStatus(), now_);
  }

  // All that it wants now; it must come to an end by itself.
  void CarryOut() {
    constexpr int kMostAtOnce = 64;
    int count = 0;
    for (StreamAction action; stream_.NextAction(&action); ++count) {
      Require(count < kMostAtOnce && !released_);
      switch (action.kind) {
        case StreamAction::Kind::kSend:
          ++sends_;
          break;
        case StreamAction::Kind::kPut:
          Require(action.length != 0 && action.local_offset + action.length <= kSendRing);
          Require(action.remote_offset + action.length <= state().peer_size);
          Require(puts_.size() < FabricStreamState::kMaxPuts);
          puts_.push_back(action.put_end);
          break;
        case StreamAction::Kind::kSetTimer:
          break;
        case StreamAction::Kind::kReleased:
          Require(puts_.empty() && sends_ == 0);  // nothing names its memory
          released_ = true;
          break;
      }
    }
  }

  FuzzInput input_;
  FabricStream stream_;
  std::uint64_t now_ = 1;
  std::vector<std::uint64_t> puts_;  // under way
  int sends_ = 0;
  bool released_ = false;
};

}  // namespace
}  // namespace k42::io

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  k42::io::StreamFuzz(k42::FuzzInput(data, size)).Run();
  return 0;
}
