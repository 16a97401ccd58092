#include "io/stream_endpoint.h"

#include <algorithm>

#include "io/attachment.h"
#include "io/datagram_endpoint.h"
#include "io/socket_services.h"
#include "mem/heap.h"

namespace k42::io {
namespace {
// A socket that is not connected polls as hung up, and writable.
constexpr std::uint32_t kFreshReady = abi::kWritable | kInputEnded | kOutputEnded;
// What a remote connection tells.
constexpr std::uint32_t kRemoteReady =
    abi::kReadable | abi::kWritable | abi::kReadHangup | abi::kError | kInputEnded | kOutputEnded;
}  // namespace

Result<StreamEndpoint*> StreamEndpoint::Make(SocketServices& services, SocketFamily family,
                                             SocketType type, const SenderIdentity& owner) {
  return mem::New<StreamEndpoint>(services, family, type, owner);
}

StreamEndpoint::StreamEndpoint(SocketServices& services, SocketFamily family, SocketType type,
                               const SenderIdentity& owner)
    : Endpoint(services, family, type, owner, kFreshReady) {}

void StreamEndpoint::Dispose() {
  Close();
  mem::Delete(this);
}

StreamEndpoint::State StreamEndpoint::StateNow() {
  machine::SpinGuard guard(lock_);
  return state_;
}

StreamEndpoint::Lines StreamEndpoint::LinesNow() {
  machine::SpinGuard guard(lock_);
  return lines_;
}

// -- connecting -----------------------------------------------------------------------------------

Status StreamEndpoint::Attach(const Lines& lines, const SenderIdentity& peer) {
  {
    machine::SpinGuard guard(lock_);
    if (state_ != State::kFresh) {
      return state_ == State::kConnected ? Status::kAlreadyConnected : Status::kInvalidArgument;
    }
    state_ = State::kConnected;
    lines_ = lines;
    peer_ = peer;
  }
  lines.in->OpenReader();
  lines.out->OpenWriter();
  lines.in->WatchReader(&list());
  lines.out->WatchWriter(&list());
  return Status::kOk;
}

Status StreamEndpoint::Join(StreamEndpoint& a, StreamEndpoint& b) {
  const bool messages = a.type() != SocketType::kStream;
  const auto capacity = static_cast<std::uint64_t>(a.option(SocketOption::kSendBuffer));
  const Conduit::Shape shape{capacity, 0, messages, true};
  auto forth = RefPtr<Conduit>::Adopt(TRY(Conduit::Make(shape)));
  auto back = RefPtr<Conduit>::Adopt(TRY(Conduit::Make(shape)));
  TRY(b.Attach({forth, back, nullptr}, a.owner()));
  const Status status = a.Attach({back, forth, nullptr}, b.owner());
  if (!IsOk(status)) {
    b.Close();
  }
  return status;
}

Status StreamEndpoint::Listen(std::uint32_t backlog) {
  Wakeups wakeups;
  const machine::MutexGuard order(ready_order_);
  {
    machine::SpinGuard guard(lock_);
    if (state_ != State::kFresh && state_ != State::kListening) {
      return Status::kInvalidArgument;
    }
    state_ = State::kListening;
    // One more than it asked for: Linux counts so.
    backlog_limit_ = std::min(backlog, kLargestBacklog) + 1;
  }
  list().Update(kFreshReady, 0, 0, wakeups);
  return Status::kOk;
}

Status StreamEndpoint::Offer(StreamEndpoint& caller) {
  Wakeups wakeups;
  const machine::MutexGuard order(ready_order_);
  {
    machine::SpinGuard guard(lock_);
    if (state_ != State::kListening) {
      return Status::kConnectionRefused;
    }
    if (backlog_size_ >= backlog_limit_) {
      return Status::kWouldBlock;
    }
    caller.AddReference();
    backlog_.PushBack(&caller);
    ++backlog_size_;
  }
  list().Update(abi::kReadable, abi::kReadable, abi::kReadable, wakeups);
  return Status::kOk;
}

Result<StreamEndpoint*> StreamEndpoint::MakeFarEnd() {
  StreamEndpoint* far_end = TRY(Make(services(), family(), type(), owner()));
  for (std::size_t i = 0; i < kOptionCount; ++i) {
    const auto which = static_cast<SocketOption>(i);
    far_end->SetOption(which, option(which));
  }
  return far_end;
}

Status StreamEndpoint::Connect(Endpoint& target) {
  if (StateNow() != State::kFresh) {
    const bool called = family() == SocketFamily::kInternet && listening();
    return called || connected() ? Status::kAlreadyConnected : Status::kInvalidArgument;
  }
  auto& listener = static_cast<StreamEndpoint&>(target);
  {
    machine::SpinGuard guard(listener.lock_);
    if (listener.state_ != State::kListening) {
      return Status::kConnectionRefused;
    }
    if (listener.backlog_size_ >= listener.backlog_limit_) {
      return Status::kWouldBlock;
    }
  }
  auto far_end = RefPtr<StreamEndpoint>::Adopt(TRY(listener.MakeFarEnd()));
  SocketAddress here = address();
  if (family() == SocketFamily::kInternet && here.internet == kInternetAny) {
    here.internet = peer_address().internet;  // within a node, one's own address is the other's
    SetAddress(here);
  }
  far_end->SetPeerAddress(here);
  SocketAddress there = listener.address();
  if (family() == SocketFamily::kInternet && there.internet == kInternetAny) {
    there.internet = here.internet;
  }
  far_end->SetAddress(there);
  SetPeerAddress(there);
  TRY(Join(*this, *far_end));
  const Status status = listener.Offer(*far_end);
  if (!IsOk(status)) {
    Close();
  }
  return status;
}

Status StreamEndpoint::ConnectRemote(const SocketAddress& target) {
  RefPtr<RemoteConnection> failed;
  {
    machine::SpinGuard guard(lock_);
    if (state_ == State::kConnected && lines_.remote) {
      failed = lines_.remote;
    } else if (state_ != State::kFresh) {
      return state_ == State::kClosed ? Status::kInvalidArgument : Status::kAlreadyConnected;
    }
  }
  if (failed) {  // connected, on its way, or failed: then its error is told once, and it may try
                 // anew
    const Status status = failed->ConnectState();
    if (status != Status::kInvalidArgument) {
      return status;
    }
    failed->Watch(nullptr);
    {
      Wakeups wakeups;
      const machine::MutexGuard order(ready_order_);
      {
        machine::SpinGuard guard(lock_);
        if (state_ != State::kConnected || lines_.remote.get() != failed.get()) {
          return Status::kAlreadyConnected;  // another thread was faster, or closed it
        }
        lines_.remote = nullptr;  // not the last reference
        state_ = State::kFresh;
      }
      list().Update(kRemoteReady, kFreshReady, 0, wakeups);
    }
    failed->Close(false);
  }
  RemoteStreams* carrier = services().CarrierTo(target.internet);
  if (carrier == nullptr) {
    return Status::kUnreachable;
  }
  SocketAddress here = address();
  if (here.internet == kInternetAny) {
    here.internet = services().internet();
    SetAddress(here);
  }
  auto remote = RefPtr<RemoteConnection>::Adopt(TRY(carrier->Connect(here, target, list())));
  SetPeerAddress(target);
  Status status = Status::kAlreadyConnected;
  {
    machine::SpinGuard guard(lock_);
    if (state_ == State::kFresh) {
      state_ = State::kConnected;
      lines_.remote = std::move(remote);
      return Status::kInProgress;
    }
    if (state_ == State::kClosed) {
      status = Status::kInvalidArgument;
    }
  }
  remote->Watch(nullptr);  // Close or another connect has run meanwhile, and knows nothing of it
  remote->Close(true);
  return status;
}

Status StreamEndpoint::OfferRemote(RemoteConnection* connection, const SocketAddress& here,
                                   const SocketAddress& peer) {
  auto far_end = RefPtr<StreamEndpoint>::Adopt(TRY(MakeFarEnd()));
  far_end->SetAddress(here);
  far_end->SetPeerAddress(peer);
  {
    machine::SpinGuard guard(far_end->lock_);
    far_end->state_ = State::kConnected;
    far_end->lines_.remote = RefPtr<RemoteConnection>(connection);
  }
  connection->Watch(&far_end->list());
  const Status status = Offer(*far_end);
  if (IsOk(status)) {
    connection->DropReference();
    return Status::kOk;
  }
  connection->Watch(nullptr);
  machine::SpinGuard guard(far_end->lock_);
  far_end->state_ = State::kClosed;
  far_end->lines_.remote = nullptr;
  return status == Status::kWouldBlock ? Status::kBusy : status;
}

Result<Endpoint*> StreamEndpoint::Accept() {
  Wakeups wakeups;
  const machine::MutexGuard order(ready_order_);
  StreamEndpoint* first = nullptr;
  bool more = false;
  {
    machine::SpinGuard guard(lock_);
    if (state_ != State::kListening) {
      return Status::kInvalidArgument;
    }
    first = backlog_.PopFront();
    if (first == nullptr) {
      return Status::kWouldBlock;
    }
    --backlog_size_;
    more = !backlog_.empty();
  }
  list().Update(abi::kReadable, more ? abi::kReadable : 0, 0, wakeups);
  return static_cast<Endpoint*>(first);
}

// -- bytes ----------------------------------------------------------------------------------------

Result<std::uint64_t> StreamEndpoint::Send(Transfer& transfer) {
  if (DatagramEndpoint* other = transfer.destination ? transfer.destination->AsDatagram() : nullptr)
    return other->Deliver(*this, transfer);
  const Lines lines = LinesNow();
  if (lines.remote) {
    const auto sent = lines.remote->Write(transfer.in);
    if (sent.ok()) {  // ours then, and it cannot leave the node
      Attachment::Free(transfer.attachment);
    }
    return sent;
  }
  if (!lines.out) {
    return family() == SocketFamily::kInternet && transfer.destination == nullptr
               ? Status::kBrokenPipe
               : Status::kNotConnected;
  }
  return lines.out->Write(transfer.in, transfer.attachment);
}

Result<std::uint64_t> StreamEndpoint::Receive(Transfer& transfer) {
  const Lines lines = LinesNow();
  if (lines.remote) {
    return lines.remote->Read(transfer.out, transfer.peek);
  }
  if (!lines.in) {
    return Status::kNotConnected;
  }
  ReadOutcome outcome;
  const std::uint64_t count = TRY(lines.in->Read(transfer.out, transfer.peek, &outcome));
  transfer.attachment = outcome.attachment;
  transfer.message_size = outcome.message_size;
  transfer.cut = outcome.cut;
  return count;
}

Status StreamEndpoint::Shutdown(ShutdownSide side) {
  const Lines lines = LinesNow();
  if (lines.remote) {
    return lines.remote->Shutdown(side);
  }
  if (!lines.in) {
    return Status::kNotConnected;
  }
  if (side != ShutdownSide::kWrite) {
    lines.in->Shut();
  }
  if (side != ShutdownSide::kRead) {
    lines.out->Shut();
  }
  return Status::kOk;
}

Status StreamEndpoint::TakeError() {
  const Lines lines = LinesNow();
  if (lines.remote) {
    return lines.remote->TakeError();
  }
  return lines.in ? lines.in->TakeReset() : Status::kOk;
}

bool StreamEndpoint::connected() {
  const Lines lines = LinesNow();
  return lines.remote ? lines.remote->connected() : StateNow() == State::kConnected;
}

std::uint64_t StreamEndpoint::bytes() {
  const Lines lines = LinesNow();
  if (lines.remote) {
    return lines.remote->readable_bytes();
  }
  return lines.in ? lines.in->bytes() : 0;
}

std::uint64_t StreamEndpoint::unsent() {
  const Lines lines = LinesNow();
  return lines.remote ? lines.remote->unsent_bytes() : 0;
}

SenderIdentity StreamEndpoint::peer() {
  machine::SpinGuard guard(lock_);
  return peer_;
}

// -- the end --------------------------------------------------------------------------------------

void StreamEndpoint::Close() {
  End(false);
}

// `reset`: nobody will ever read what has come.
void StreamEndpoint::End(bool reset) {
  Lines lines;
  IntrusiveList<StreamEndpoint> waiting;
  {
    machine::SpinGuard guard(lock_);
    state_ = State::kClosed;
    std::swap(lines, lines_);
    waiting.Append(backlog_);
    backlog_size_ = 0;
  }
  Unbind();
  while (StreamEndpoint* caller = waiting.PopFront()) {
    caller->End(true);
    caller->DropReference();
  }
  if (lines.remote) {
    lines.remote->Watch(nullptr);
    lines.remote->Close(reset || option(SocketOption::kLinger) == 0);
    return;
  }
  if (!lines.in) {
    return;
  }
  lines.in->WatchReader(nullptr);
  lines.out->WatchWriter(nullptr);
  // A stream whose end leaves bytes unread, or does not want to linger, is reset.
  const bool unread = family() == SocketFamily::kInternet &&
                      (lines.in->bytes() != 0 || option(SocketOption::kLinger) == 0);
  if (reset || unread) {
    lines.out->Reset();
  }
  lines.in->CloseReader();
  lines.out->CloseWriter();
}

}  // namespace k42::io
