#include "io/fabric_stream.h"

#include <algorithm>

namespace k42::io {

namespace {
// A listener whose queue is full asks to be tried again: at first soon, then ever more seldom, for
// as long as Linux's TCP would go on sending its first packet (tcp_syn_retries: about two minutes).
constexpr std::uint64_t kFirstRetryNs = 10'000'000;
constexpr std::uint64_t kLongestRetryNs = 1'000'000'000;
constexpr std::uint64_t kGiveUpNs = 127'000'000'000;
// How long a closed end waits for the peer's (tcp_fin_timeout).
constexpr std::uint64_t kLingerNs = 60'000'000'000;
}  // namespace

StreamMessage FabricStream::Message(StreamMessageKind kind) const {
  StreamMessage message;
  message.kind = kind;
  message.to = peer_;
  message.from = id_;
  message.to_port = peer_port_;
  message.from_port = local_port_;
  return message;
}

// -- the user's steps -----------------------------------------------------------------------------

Status FabricStream::Connect(std::uint16_t local_port, std::uint16_t peer_port,
                             std::uint64_t now_ns) {
  switch (state_) {
    case State::kIdle:
      break;
    case State::kConnecting:
      return Status::kInProgress;
    case State::kOpen:
      return Status::kAlreadyConnected;
    case State::kClosed:
      return error_ != Status::kOk ? TakeError() : Status::kInvalidArgument;
  }
  local_port_ = local_port;
  peer_port_ = peer_port;
  state_ = State::kConnecting;
  open_due_ = true;
  retry_delay_ns_ = kFirstRetryNs;
  give_up_at_ns_ = now_ns + kGiveUpNs;
  return Status::kInProgress;
}

Status FabricStream::Accept(const StreamMessage& open, std::uint16_t local_port) {
  if (state_ != State::kIdle || open.kind != StreamMessageKind::kOpen)
    return Status::kInvalidArgument;
  local_port_ = local_port;
  peer_port_ = open.from_port;
  peer_ = open.from;
  peer_window_ = open.window;
  peer_size_ = open.window_size;
  state_ = State::kOpen;
  opened_due_ = true;
  return Status::kOk;
}

Result<std::uint64_t> FabricStream::Write(std::span<const std::byte> bytes) {
  if (state_ == State::kIdle)
    return Status::kNotConnected;
  if (state_ == State::kConnecting)
    return Status::kWouldBlock;
  if (state_ == State::kClosed || write_shut_) {
    Status pending = TakeError();
    return pending != Status::kOk ? pending : Status::kBrokenPipe;
  }
  std::uint64_t room = send_.size() - (written_ - done_);
  std::uint64_t count = std::min<std::uint64_t>(room, bytes.size());
  if (count == 0)
    return bytes.empty() ? Result<std::uint64_t>(0) : Status::kWouldBlock;
  send_.CopyIn(written_, bytes.first(count));
  written_ += count;
  return count;
}

Result<std::uint64_t> FabricStream::Read(std::span<std::byte> bytes, bool peek) {
  if (state_ == State::kIdle)
    return Status::kNotConnected;
  if (state_ == State::kConnecting)
    return Status::kWouldBlock;
  std::uint64_t count = std::min<std::uint64_t>(tail_ - head_, bytes.size());
  // What arrived before a reset can still be read, then comes the error: as Linux does.
  if (count > 0) {
    receive_.CopyOut(head_, bytes.first(count));
    if (!peek)
      head_ += count;
    return count;
  }
  if (error_ != Status::kOk)
    return TakeError();
  if (read_shut_ || PeerFinished() || state_ == State::kClosed || bytes.empty())
    return std::uint64_t{0};
  return Status::kWouldBlock;
}

Status FabricStream::ShutdownWrite() {
  if (state_ != State::kOpen)
    return Status::kNotConnected;
  write_shut_ = true;  // NextAction sends the finish behind the last byte
  return Status::kOk;
}

Status FabricStream::ShutdownRead() {
  if (state_ != State::kOpen)
    return Status::kNotConnected;
  read_shut_ = true;
  return Status::kOk;
}

void FabricStream::Close(std::uint64_t now_ns) {
  closed_by_user_ = true;
  if (state_ == State::kOpen) {
    if (tail_ != head_) {
      ResetPeer(Status::kOk);
      return;
    }
    write_shut_ = true;
    timer_at_ns_ = now_ns + kLingerNs;
    timer_due_ = true;
  } else if (state_ == State::kConnecting) {
    // The answer may be on its way: an open stream that nobody owns is then reset.
    if (peer_ == 0)
      open_due_ = false;
    state_ = State::kClosed;
  } else {
    state_ = State::kClosed;
  }
}

Status FabricStream::TakeError() {
  Status error = error_;
  error_ = Status::kOk;
  return error;
}

// -- the fabric's steps ---------------------------------------------------------------------------

void FabricStream::Fail(Status error) {
  if (state_ == State::kClosed)
    return;
  state_ = State::kClosed;
  error_ = error;
  open_due_ = opened_due_ = false;
}

void FabricStream::ResetPeer(Status error) {
  Fail(error);
  reset_due_ = peer_ != 0;
}

void FabricStream::OnMessage(const StreamMessage& message, std::uint64_t now_ns) {
  switch (message.kind) {
    case StreamMessageKind::kOpen:
      return;  // a repeated one: the listener made this stream from the first
    case StreamMessageKind::kOpened:
      if (state_ == State::kConnecting) {
        peer_ = message.from;
        peer_window_ = message.window;
        peer_size_ = message.window_size;
        state_ = State::kOpen;
        open_due_ = false;
      } else if (state_ == State::kClosed && peer_ == 0) {
        peer_ = message.from;  // closed while connecting
        reset_due_ = true;
      }
      return;
    case StreamMessageKind::kRefused:
      if (state_ != State::kConnecting)
        return;
      if (message.status != Status::kBusy) {
        Fail(message.status == Status::kOk ? Status::kConnectionRefused : message.status);
      } else if (now_ns >= give_up_at_ns_) {
        Fail(Status::kTimedOut);
      } else {
        timer_at_ns_ = now_ns + retry_delay_ns_;
        retry_delay_ns_ = std::min(2 * retry_delay_ns_, kLongestRetryNs);
        timer_due_ = true;
      }
      return;
    case StreamMessageKind::kCredit:
      if (state_ != State::kOpen)
        return;
      if (message.position > sent_)
        return ResetPeer(Status::kConnectionReset);
      consumed_by_peer_ = std::max(consumed_by_peer_, message.position);
      return;
    case StreamMessageKind::kFinish:
      if (state_ == State::kIdle || state_ == State::kClosed)
        return;
      if (message.position < tail_ || message.position - credited_ > receive_.size() ||
          (peer_finish_known_ && message.position != peer_finish_))
        return ResetPeer(Status::kConnectionReset);
      peer_finish_known_ = true;
      peer_finish_ = message.position;
      return;
    case StreamMessageKind::kReset:
      Fail(Status::kConnectionReset);
      return;
  }
}

void FabricStream::OnData(std::uint64_t word) {
  // A server may write before its kOpened has reached us: the ring was announced with kOpen.
  if (state_ == State::kIdle || state_ == State::kClosed)
    return;
  std::uint64_t tail = DataWordTail(word, tail_);
  if (tail <= tail_)
    return;  // repeated
  bool beyond = tail - credited_ > receive_.size() || (peer_finish_known_ && tail > peer_finish_);
  if (beyond)
    return ResetPeer(Status::kConnectionReset);
  tail_ = tail;
  if (closed_by_user_)
    return ResetPeer(Status::kOk);  // nobody will read it: tell the writer, as TCP does
  if (read_shut_)
    head_ = tail_;
}

void FabricStream::OnPutDone(std::uint64_t put_end, Status status) {
  if (put_end <= sent_)
    done_ = std::max(done_, put_end);
  if (status != Status::kOk && state_ == State::kOpen)
    Fail(status == Status::kNotInView ? Status::kConnectionReset : status);
}

void FabricStream::OnPeerGone() {
  if (state_ == State::kConnecting)
    Fail(Status::kUnreachable);
  else
    Fail(Status::kConnectionReset);
  done_ = sent_ = written_;
}

void FabricStream::OnTimer(std::uint64_t now_ns) {
  if (timer_at_ns_ == 0 || now_ns < timer_at_ns_)
    return;
  timer_at_ns_ = 0;
  if (state_ == State::kConnecting)
    open_due_ = true;
  else if (closed_by_user_)
    ResetPeer(Status::kOk);
}

// -- the owner's ----------------------------------------------------------------------------------

bool FabricStream::NextPut(StreamAction* action) {
  std::uint64_t unsent = written_ - sent_;
  std::uint64_t room = peer_size_ - (sent_ - consumed_by_peer_);
  std::uint64_t remote_offset = sent_ & (peer_size_ - 1);
  std::uint64_t length =
      std::min({unsent, room, send_.ContiguousFrom(sent_), peer_size_ - remote_offset});
  if (length == 0)
    return false;
  action->kind = StreamAction::Kind::kPut;
  action->local_offset = send_.OffsetOf(sent_);
  action->remote_offset = remote_offset;
  action->length = static_cast<std::uint32_t>(length);
  action->window = peer_window_;
  sent_ += length;
  action->word = MakeDataWord(peer_, sent_);
  action->put_end = sent_;
  return true;
}

// Half a ring at a time keeps the writer going without a message for each read; a writer whose last
// byte filled the ring is told as soon as anything is free.
bool FabricStream::CreditIsDue() const {
  std::uint64_t consumed = head_ - credited_;
  bool ring_was_full = tail_ - credited_ == receive_.size();
  return consumed >= receive_.size() / 2 || (ring_was_full && consumed >= receive_.size() / 4);
}

bool FabricStream::Releasable() const {
  if (!closed_by_user_ || released_ || reset_due_ || done_ != sent_)
    return false;
  // Either end may go when both directions are over. A graceful end keeps the receive ring until
  // the peer has finished too, or it would put into memory that has another owner.
  return state_ == State::kClosed || (finish_sent_ && PeerFinished());
}

bool FabricStream::NextAction(StreamAction* action) {
  *action = StreamAction{};
  action->kind = StreamAction::Kind::kSend;
  if (reset_due_) {
    reset_due_ = false;
    action->message = Message(StreamMessageKind::kReset);
    return true;
  }
  if (open_due_ || opened_due_) {
    action->message = Message(open_due_ ? StreamMessageKind::kOpen : StreamMessageKind::kOpened);
    action->message.window = receive_window_;
    action->message.window_size = static_cast<std::uint32_t>(receive_.size());
    open_due_ = opened_due_ = false;
    return true;
  }
  if (timer_due_) {
    timer_due_ = false;
    action->kind = StreamAction::Kind::kSetTimer;
    action->deadline_ns = timer_at_ns_;
    return true;
  }
  if (state_ == State::kOpen) {
    if (NextPut(action))
      return true;
    if (CreditIsDue()) {
      credited_ = head_;
      action->message = Message(StreamMessageKind::kCredit);
      action->message.position = head_;
      return true;
    }
    if (write_shut_ && !finish_sent_ && sent_ == written_) {
      finish_sent_ = true;
      action->message = Message(StreamMessageKind::kFinish);
      action->message.position = written_;
      return true;
    }
  }
  if (Releasable()) {
    released_ = true;
    action->kind = StreamAction::Kind::kReleased;
    return true;
  }
  return false;
}

StreamReadiness FabricStream::Readiness() const {
  StreamReadiness ready{};
  switch (state_) {
    case State::kIdle:
      ready.writable = ready.hangup = true;  // as Linux shows a socket never connected
      return ready;
    case State::kConnecting:
      return ready;
    case State::kOpen:
      ready.read_hangup = PeerFinished() || read_shut_;
      ready.readable = tail_ != head_ || ready.read_hangup;
      // As Linux: not at the first free byte, or a writer wakes for each one.
      ready.writable = write_shut_ || send_.size() - (written_ - done_) >= send_.size() / 3;
      ready.hangup = ready.read_hangup && write_shut_;
      return ready;
    case State::kClosed:
      ready.readable = ready.writable = ready.hangup = ready.read_hangup = true;
      ready.error = error_ != Status::kOk;
      return ready;
  }
  return ready;
}

}  // namespace k42::io
