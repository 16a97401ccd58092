// What a stream has to say and to send, and what it shows of itself.
#include <algorithm>
#include <utility>

#include "io/fabric_stream.h"
#include "io/stream_batch.h"

namespace k42::io {

namespace {
std::uint64_t OffsetIn(std::uint64_t position, std::uint64_t size) {
  return position & (size - 1);
}
}  // namespace

StreamMessage FabricStream::Message(StreamMessageKind kind) const {
  StreamMessage message;
  message.kind = kind;
  message.to = s_.peer;
  message.from = s_.shape.id;
  message.to_port = s_.peer_port;
  message.from_port = s_.local_port;
  return message;
}

void FabricStream::SayAllAgain() {
  s_.broken = false;
  s_.open_due = s_.state == State::kConnecting;
  s_.reset_due |= s_.state == State::kClosed && s_.reset_sent;
  const bool all_said = s_.finish_seen && PeerFinished();
  if (s_.state != State::kOpen || all_said)
    return;
  s_.opened_due = s_.server && !s_.peer_knows_us;
  s_.tail_due = s_.done != 0;
  s_.credit_due = true;
  s_.finish_sent = false;
}

bool FabricStream::NextPut(StreamAction* action) {
  // After a break all puts have to end: a writer that never pauses would put that off for ever.
  if (s_.rewind || s_.broken || s_.put_count == FabricStreamState::kMaxPuts)
    return false;
  const std::uint64_t unsent = s_.written - s_.sent;
  // A place in the peer's ring is free when it has been read and no put to it can be repeated.
  const std::uint64_t used = s_.sent - std::min(s_.consumed_by_peer, s_.done);
  const std::uint64_t remote_offset = OffsetIn(s_.sent, s_.peer_size);
  const std::uint64_t local_offset = OffsetIn(s_.sent, s_.shape.send_size);
  const std::uint64_t length =
      std::min({unsent, s_.peer_size - std::min(s_.peer_size, used),
                s_.shape.send_size - local_offset, s_.peer_size - remote_offset});
  if (length == 0)
    return false;
  action->kind = StreamAction::Kind::kPut;
  action->local_offset = local_offset;
  action->remote_offset = remote_offset;
  action->length = static_cast<std::uint32_t>(length);
  action->window = s_.peer_window;
  s_.sent += length;
  s_.ever_sent = std::max(s_.ever_sent, s_.sent);
  s_.puts[s_.put_count++] = {s_.sent, false, false};
  action->word = MakeDataWord(s_.peer, s_.sent, length);
  action->put_end = s_.sent;
  return true;
}

// A part of the ring at a time keeps the writer going without a message for each read; a writer
// whose last byte filled the ring is told sooner. One that has finished needs no more room.
bool FabricStream::CreditIsDue() const {
  if (s_.credit_due)
    return true;
  const std::uint64_t consumed = s_.head - s_.credited;
  const bool ring_was_full = s_.tail - s_.credited == s_.shape.receive_size;
  return !PeerFinished() && (consumed >= s_.shape.receive_size / credit_divisor_ ||
                             (ring_was_full && consumed >= s_.shape.receive_size / 4));
}

bool FabricStream::Releasable() const {
  if (!s_.closed_by_user || s_.released || s_.reset_due || s_.broken ||
      s_.put_count + s_.send_count != 0)
    return false;
  // Either end may go when both directions are over. A graceful end keeps the receive ring until
  // the peer has finished too, or it would put into memory that has another owner.
  return s_.state == State::kClosed || (s_.finish_seen && s_.done == s_.sent && PeerFinished());
}

// Who waits for ends: the writer and the next put, when half of the smaller ring is under way; what
// is to be said again after a break; and who has to release this, which is soon for one that is
// refused. Of the messages only credits are so many that their wakes would count.
bool FabricStream::Awaited(const StreamAction& action) const {
  if (s_.broken || s_.rewind || s_.closed_by_user)
    return true;
  if (action.kind == StreamAction::Kind::kPut)
    return s_.sent - s_.done >= std::min<std::uint64_t>(s_.shape.send_size, s_.peer_size) / 2;
  return action.message.kind != StreamMessageKind::kCredit;
}

bool FabricStream::NextAction(StreamAction* action) {
  if (!FindAction(action))
    return false;
  s_.send_count += action->kind == StreamAction::Kind::kSend ? 1 : 0;
  action->awaited = Awaited(*action);
  return true;
}

bool FabricStream::FindAction(StreamAction* action) {
  *action = StreamAction{};
  if (s_.timer_due) {
    s_.timer_due = false;
    action->kind = StreamAction::Kind::kSetTimer;
    action->deadline_ns = s_.timer_at_ns;
    return true;
  }
  if (s_.paused)
    return false;
  if (s_.broken && s_.put_count == 0)
    SayAllAgain();
  if (s_.reset_due) {
    s_.reset_due = false;
    s_.reset_sent = true;
    action->message = Message(StreamMessageKind::kReset);
    return true;
  }
  if (s_.open_due || s_.opened_due) {
    action->message = Message(s_.open_due ? StreamMessageKind::kOpen : StreamMessageKind::kOpened);
    action->message.window = s_.shape.receive_window;
    action->message.window_size = s_.shape.receive_size;
    s_.open_due = s_.opened_due = false;
    return true;
  }
  if (s_.state == State::kOpen) {
    if (std::exchange(s_.tail_due, false)) {
      action->message = Message(StreamMessageKind::kTail);
      action->message.position = s_.done;
      return true;
    }
    if (NextPut(action))
      return true;
    if (CreditIsDue()) {
      s_.credit_due = false;
      s_.credited = s_.head;
      action->message = Message(StreamMessageKind::kCredit);
      action->message.position = s_.head;
      return true;
    }
    if (std::exchange(s_.finish_seen_due, false)) {
      action->message = Message(StreamMessageKind::kFinishSeen);
      return true;
    }
    if (s_.write_shut && !s_.finish_sent && s_.sent == s_.written && !s_.rewind) {
      s_.finish_sent = true;
      action->message = Message(StreamMessageKind::kFinish);
      action->message.position = s_.written;
      return true;
    }
  }
  if (Releasable()) {
    s_.released = true;
    action->kind = StreamAction::Kind::kReleased;
    return true;
  }
  return false;
}

void FabricStream::Look(StreamLook* look) {
  *look = {s_.changes, Readiness(), std::exchange(s_.activity, 0u)};
}

void FabricStream::Describe(StreamDescription* description) const {
  *description = {.class_version = kVersion,
                  .state = s_.state,
                  .id = s_.shape.id,
                  .peer = s_.peer,
                  .local_port = s_.local_port,
                  .peer_port = s_.peer_port,
                  .sent = s_.sent,
                  .received = s_.tail,
                  .unsent = unsent_bytes(),
                  .unread = readable_bytes()};
}

StreamReadiness FabricStream::Readiness() const {
  StreamReadiness ready{};
  switch (s_.state) {
    case State::kIdle:
      ready.writable = ready.hangup = true;  // as Linux shows a socket never connected
      return ready;
    case State::kConnecting:
      return ready;
    case State::kOpen:
      ready.read_hangup = PeerFinished() || s_.read_shut;
      ready.readable = s_.tail != s_.head || ready.read_hangup;
      // As Linux: not at the first free byte, or a writer wakes for each one.
      ready.writable =
          s_.write_shut || s_.shape.send_size - (s_.written - s_.done) >= s_.shape.send_size / 3;
      ready.hangup = ready.read_hangup && s_.write_shut;
      return ready;
    case State::kClosed:
      ready.readable = ready.writable = ready.hangup = ready.read_hangup = true;
      ready.error = s_.error != Status::kOk;
      return ready;
  }
  return ready;
}

}  // namespace k42::io
