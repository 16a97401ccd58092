#include "io/fabric_stream.h"

#include <algorithm>
#include <utility>

#include "abi/readiness.h"

namespace k42::io {

namespace {
// A listener whose queue is full asks to be tried again: at first soon, then ever more seldom, for
// as long as Linux's TCP would go on sending its first packet (tcp_syn_retries: about two minutes).
constexpr std::uint64_t kFirstRetryNs = 10'000'000;
constexpr std::uint64_t kLongestRetryNs = 1'000'000'000;
constexpr std::uint64_t kGiveUpNs = 127'000'000'000;
// How long a closed end waits for the peer's (tcp_fin_timeout).
constexpr std::uint64_t kLingerNs = 60'000'000'000;
// How long nothing is sent after the way refused something: a daemon comes back within that order.
constexpr std::uint64_t kPauseNs = 10'000'000;
// A kOpen may be lost without a word: a kernel whose view does not have us yet does not hear it,
// and one without memory for the answer does not answer. So it is said again after so long.
constexpr std::uint64_t kAnswerNs = 3'000'000'000;

// Does this end mean that the peer, or its end of the stream, is gone, and not only the way?
bool IsFinal(Status status) {
  return status != Status::kEndpointDown && status != Status::kUnknown &&
         status != Status::kTimedOut && status != Status::kUnavailable &&
         status != Status::kNoMemory && status != Status::kBusy && status != Status::kCancelled;
}
}  // namespace

// -- the user's steps -----------------------------------------------------------------------------

Status FabricStream::Connect(std::uint16_t local_port, std::uint16_t peer_port,
                             std::uint64_t now_ns) {
  switch (s_.state) {
    case State::kIdle:
      break;
    case State::kConnecting:
      return Status::kInProgress;
    case State::kOpen:
      return Status::kAlreadyConnected;
    case State::kClosed:
      return s_.error != Status::kOk ? TakeError() : Status::kInvalidArgument;
  }
  s_.local_port = local_port;
  s_.peer_port = peer_port;
  s_.state = State::kConnecting;
  s_.open_due = true;
  s_.retry_delay_ns = kFirstRetryNs;
  s_.give_up_at_ns = now_ns + kGiveUpNs;
  s_.timer_at_ns = now_ns + kAnswerNs;
  s_.timer_due = true;
  return Status::kInProgress;
}

Status FabricStream::Accept(const StreamMessage& open, std::uint16_t local_port) {
  if (s_.state != State::kIdle || open.kind != StreamMessageKind::kOpen)
    return Status::kInvalidArgument;
  s_.server = true;
  s_.local_port = local_port;
  s_.peer_port = open.from_port;
  s_.peer = open.from;
  s_.peer_window = open.window;
  s_.peer_size = open.window_size;
  s_.state = State::kOpen;
  s_.opened_due = true;
  return Status::kOk;
}

Status FabricStream::WriteRoom(StreamSpan* room) {
  if (s_.state == State::kIdle)
    return Status::kNotConnected;
  if (s_.state == State::kConnecting)
    return Status::kWouldBlock;
  if (s_.state == State::kClosed || s_.write_shut) {
    const Status pending = TakeError();
    return pending != Status::kOk ? pending : Status::kBrokenPipe;
  }
  *room = {s_.written, s_.shape.send_size - (s_.written - s_.done)};
  return room->length == 0 ? Status::kWouldBlock : Status::kOk;
}

void FabricStream::Written(std::uint64_t count) {
  s_.written += std::min(count, s_.shape.send_size - (s_.written - s_.done));
}

Status FabricStream::Readable(StreamSpan* bytes) {
  *bytes = {};
  if (s_.state == State::kIdle)
    return Status::kNotConnected;
  if (s_.state == State::kConnecting)
    return Status::kWouldBlock;
  // What arrived before a reset can still be read, then comes the error: as Linux does.
  *bytes = {s_.head, s_.tail - s_.head};
  if (bytes->length != 0)
    return Status::kOk;
  if (PeerFinished())
    return Status::kOk;  // whatever became of our own side
  if (s_.error != Status::kOk)
    return TakeError();
  return s_.read_shut || s_.state == State::kClosed ? Status::kOk : Status::kWouldBlock;
}

void FabricStream::Consumed(std::uint64_t count) {
  s_.head += std::min(count, s_.tail - s_.head);
}

Status FabricStream::ShutdownWrite() {
  if (s_.state != State::kOpen)
    return Status::kNotConnected;
  s_.write_shut = true;  // NextAction sends the finish behind the last byte
  return Status::kOk;
}

Status FabricStream::ShutdownRead() {
  if (s_.state != State::kOpen)
    return Status::kNotConnected;
  s_.read_shut = true;
  return Status::kOk;
}

void FabricStream::Close(std::uint64_t now_ns, bool reset) {
  s_.closed_by_user = true;
  if (s_.state == State::kOpen) {
    if (reset || s_.tail != s_.head) {
      ResetPeer(Status::kOk);
      return;
    }
    s_.write_shut = true;
    s_.give_up_at_ns = now_ns + kLingerNs;
    if (!s_.paused) {  // else the pause's end sets it
      s_.timer_at_ns = s_.give_up_at_ns;
      s_.timer_due = true;
    }
  } else if (s_.state == State::kConnecting) {
    // The answer may be on its way: an open stream that nobody owns is then reset.
    s_.open_due = false;
    s_.state = State::kClosed;
  } else {
    s_.state = State::kClosed;
  }
}

Status FabricStream::TakeError() {
  return std::exchange(s_.error, Status::kOk);
}

// -- the fabric's steps ---------------------------------------------------------------------------

void FabricStream::Fail(Status error) {
  if (s_.state == State::kClosed)
    return;
  s_.state = State::kClosed;
  s_.error = error;
  s_.open_due = s_.opened_due = false;
  s_.activity |= abi::kReadable | abi::kWritable | abi::kReadyAlways;
}

void FabricStream::ResetPeer(Status error) {
  Fail(error);
  s_.reset_due = s_.peer != 0;
}

void FabricStream::Pause(std::uint64_t now_ns) {
  s_.paused = true;
  s_.timer_at_ns = now_ns + kPauseNs;
  s_.timer_due = true;
}

void FabricStream::OnMessage(const StreamMessage& message, std::uint64_t now_ns) {
  const bool opens = message.kind == StreamMessageKind::kOpen;
  // Late, for a predecessor under the same number. A reset by somebody who knows no stream names
  // none.
  if (!opens && s_.peer != 0 && message.from != 0 && message.from != s_.peer)
    return;
  s_.peer_knows_us |= !opens;
  switch (message.kind) {
    case StreamMessageKind::kOpen:
      // A repeated one: the listener made this stream from the first, and its answer may be lost.
      s_.opened_due |= s_.server && s_.state == State::kOpen && !s_.peer_knows_us;
      return;
    case StreamMessageKind::kOpened:
      if (s_.state == State::kConnecting) {
        s_.peer = message.from;
        s_.peer_window = message.window;
        s_.peer_size = message.window_size;
        s_.state = State::kOpen;
        s_.open_due = false;
        s_.activity |= abi::kWritable;
      } else if (s_.state == State::kClosed && s_.peer == 0) {
        s_.peer = message.from;  // closed while connecting
        s_.reset_due = true;
      }
      return;
    case StreamMessageKind::kRefused:
      if (s_.state != State::kConnecting)
        return;
      if (message.status != Status::kBusy) {
        Fail(message.status == Status::kOk ? Status::kConnectionRefused : message.status);
      } else if (now_ns >= s_.give_up_at_ns) {
        Fail(Status::kTimedOut);
      } else {
        s_.timer_at_ns = now_ns + s_.retry_delay_ns;
        s_.retry_delay_ns = std::min(2 * s_.retry_delay_ns, kLongestRetryNs);
        s_.timer_due = true;
      }
      return;
    case StreamMessageKind::kCredit:
      if (s_.state != State::kOpen)
        return;
      if (message.position > s_.ever_sent)
        return ResetPeer(Status::kConnectionReset);
      s_.consumed_by_peer = std::max(s_.consumed_by_peer, message.position);
      if (message.position > s_.sent)  // it arrived, though its put was given up as lost
        s_.sent = s_.done = message.position;
      return;
    case StreamMessageKind::kFinish:
      if (s_.state == State::kIdle || s_.state == State::kClosed)
        return;
      if (message.position < s_.tail || message.position - s_.credited > s_.shape.receive_size ||
          (s_.peer_finish_known && message.position != s_.peer_finish))
        return ResetPeer(Status::kConnectionReset);
      s_.peer_finish_known = true;
      s_.peer_finish = message.position;
      s_.finish_seen_due |= PeerFinished();
      s_.activity |= PeerFinished() ? abi::kReadable | abi::kReadHangup : 0;
      return;
    case StreamMessageKind::kFinishSeen:
      s_.finish_seen |= s_.finish_sent;
      return;
    case StreamMessageKind::kReset:
      // Nobody awaits the ends of what is under way, and it has to end before this can go: they are
      // seen with that of a word of ours. A closed end has said its own, or the two would never
      // stop.
      s_.reset_due |=
          s_.state != State::kClosed && s_.peer != 0 && s_.put_count + s_.send_count != 0;
      // The ends of the last puts may not have been seen: what the peer says of our finish counts.
      if (PeerFinished() && (s_.finish_seen || (s_.finish_sent && s_.done == s_.written)))
        s_.state = State::kClosed;  // all was said in both directions: the peer has only gone
      else                          // as Linux: behind the peer's end it is about our writing only
        Fail(PeerFinished() ? Status::kBrokenPipe : Status::kConnectionReset);
      return;
    case StreamMessageKind::kTail:
      return Arrived(message.position);
  }
}

void FabricStream::OnData(std::uint64_t word) {
  const std::uint64_t tail = DataWordTail(word, s_.tail);
  const std::uint64_t length = DataWordLength(word);
  s_.peer_knows_us = true;
  // A gap: what is missing was lost on the way, and will be put, or spoken of, again.
  if (length <= tail && tail - length <= s_.tail)
    Arrived(tail);
}

void FabricStream::Arrived(std::uint64_t tail) {
  // A server may write before its kOpened has reached us: the ring was announced with kOpen.
  if (s_.state == State::kIdle || s_.state == State::kClosed)
    return;
  if (tail <= s_.tail)
    return;  // repeated
  const bool beyond =
      tail - s_.credited > s_.shape.receive_size || (s_.peer_finish_known && tail > s_.peer_finish);
  if (beyond)
    return ResetPeer(Status::kConnectionReset);
  s_.tail = tail;
  if (s_.closed_by_user)
    return ResetPeer(Status::kOk);  // nobody will read it: tell the writer, as TCP does
  if (s_.read_shut)
    s_.head = s_.tail;
  s_.finish_seen_due |= PeerFinished();
  s_.activity |= abi::kReadable | (PeerFinished() ? abi::kReadHangup : 0u);
}

void FabricStream::OnPutDone(std::uint64_t put_end, Status status, std::uint64_t now_ns) {
  FabricStreamState::Put* const puts = s_.puts;
  for (std::uint32_t i = 0; i < s_.put_count; ++i) {
    if (puts[i].end == put_end && !puts[i].ended) {
      puts[i].ended = true;
      puts[i].lost = status != Status::kOk;
      break;
    }
  }
  while (s_.put_count != 0 && puts[0].ended) {
    // Behind a lost one nothing counts as done, though it may be: it is put again.
    s_.rewind |= puts[0].lost;
    if (!s_.rewind)
      s_.done = std::max(s_.done, puts[0].end);
    std::copy(puts + 1, puts + s_.put_count, puts);
    puts[--s_.put_count] = {};
  }
  if (s_.put_count == 0 && std::exchange(s_.rewind, false)) {
    s_.done = std::max(s_.done, s_.consumed_by_peer);
    s_.sent = s_.done;
  }
  if (status == Status::kOk || s_.state != State::kOpen)
    return;
  if (IsFinal(status))
    return Fail(Status::kConnectionReset);
  OnBreak();
  Pause(now_ns);
}

void FabricStream::OnSendDone(Status status, std::uint64_t now_ns) {
  s_.send_count -= s_.send_count != 0 ? 1 : 0;
  if (status == Status::kOk)
    return;
  if (!IsFinal(status)) {
    OnBreak();
    return Pause(now_ns);
  }
  Fail(s_.state == State::kConnecting ? Status::kUnreachable : Status::kConnectionReset);
}

void FabricStream::OnBreak() {
  s_.broken = true;
  // Puts whose ends nobody awaited may be under way: with the end of this they are seen.
  s_.credit_due |= s_.put_count != 0;
}

void FabricStream::OnPeerGone() {
  Fail(s_.state == State::kConnecting ? Status::kUnreachable : Status::kConnectionReset);
  s_.reset_due = s_.reset_sent = s_.broken = false;
}

void FabricStream::OnTimer(std::uint64_t now_ns) {
  if (s_.timer_at_ns == 0 || now_ns < s_.timer_at_ns)
    return;
  s_.timer_at_ns = 0;
  s_.paused = false;
  if (s_.state == State::kConnecting) {
    if (now_ns >= s_.give_up_at_ns)
      return Fail(Status::kTimedOut);
    s_.open_due = true;
    s_.timer_at_ns = now_ns + kAnswerNs;
    s_.timer_due = true;
  } else if (s_.closed_by_user && s_.state == State::kOpen) {
    if (now_ns >= s_.give_up_at_ns)
      return ResetPeer(Status::kOk);
    s_.timer_at_ns = s_.give_up_at_ns;
    s_.timer_due = true;
  }
}

}  // namespace k42::io
