#include "io/datagram_endpoint.h"

#include "io/socket_services.h"
#include "mem/heap.h"

namespace k42::io {

Result<DatagramEndpoint*> DatagramEndpoint::Make(SocketServices& services, SocketFamily family,
                                                 const SenderIdentity& owner) {
  auto inbox = RefPtr<Conduit>::Adopt(TRY(Conduit::Make({kSocketBuffer, 0, true, true})));
  return mem::New<DatagramEndpoint>(services, family, owner, std::move(inbox));
}

DatagramEndpoint::DatagramEndpoint(SocketServices& services, SocketFamily family,
                                   const SenderIdentity& owner, RefPtr<Conduit> inbox)
    : Endpoint(services, family, SocketType::kDatagram, owner, abi::kWritable),
      inbox_(std::move(inbox)) {
  inbox_->OpenReader();
  inbox_->OpenWriter();  // the world, which never ends
  inbox_->WatchReader(&list());
}

void DatagramEndpoint::Dispose() {
  Close();
  mem::Delete(this);
}

void DatagramEndpoint::Close() {
  if (closed_.exchange(true, std::memory_order_acq_rel)) {
    return;
  }
  Unbind();
  (void)Disconnect();
  inbox_->WatchReader(nullptr);
  inbox_->CloseReader();
  services().room_waits().Release(room_);
}

bool DatagramEndpoint::connected() {
  machine::SpinGuard guard(lock_);
  return static_cast<bool>(target_) || by_address_;
}

// Whoever has the address when something is sent: nobody has to yet.
void DatagramEndpoint::ConnectTo(const SocketAddress& address) {
  SetPeerAddress(address);
  if (const RefPtr<SocketName> own = name()) {
    services().NoteConnected(*own, this->address(), address);
  }
  machine::SpinGuard guard(lock_);
  by_address_ = true;
}

std::uint64_t DatagramEndpoint::SentToNobody(std::uint64_t size) {
  bool tell = false;
  {
    machine::SpinGuard guard(lock_);
    tell = by_address_;
  }
  if (tell) {
    inbox_->ShowRefusal();
  }
  return size;
}

bool DatagramEndpoint::Hears(const Endpoint& sender) {
  machine::SpinGuard guard(lock_);
  return !target_ || target_.get() == &sender;
}

Status DatagramEndpoint::TakeError() {
  return inbox_->TakeRefusal() ? Status::kConnectionRefused : Status::kOk;
}

Status DatagramEndpoint::Connect(Endpoint& target) {
  DatagramEndpoint* const datagrams = target.AsDatagram();
  if (datagrams == nullptr || !datagrams->Hears(*this)) {
    return Status::kNotOwner;
  }
  RefPtr<DatagramEndpoint> peer(datagrams);
  SetPeerAddress(target.address());
  {
    machine::SpinGuard guard(lock_);
    std::swap(target_, peer);
  }
  ForgetRoom();
  return Status::kOk;
}

Status DatagramEndpoint::Disconnect() {
  RefPtr<DatagramEndpoint> peer;
  SetPeerAddress({});
  if (const RefPtr<SocketName> own = name()) {
    services().NoteConnected(*own, address(), {});
  }
  (void)inbox_->TakeRefusal();
  {
    machine::SpinGuard guard(lock_);
    by_address_ = false;
    std::swap(target_, peer);
  }
  ForgetRoom();
  return Status::kOk;
}

Result<std::uint64_t> DatagramEndpoint::Send(Transfer& transfer) {
  RefPtr<Endpoint> destination = transfer.destination;
  {
    machine::SpinGuard guard(lock_);
    if (write_shut_) {
      return Status::kBrokenPipe;
    }
    if (!destination) {
      destination = target_;
    }
  }
  const bool internet = family() == SocketFamily::kInternet;
  if (!destination) {
    return internet ? Status::kNoDestination : Status::kNotConnected;
  }
  if (internet && transfer.in.size() > kLargest) {
    return Status::kMessageTooLong;
  }
  DatagramEndpoint* const receiver = destination->AsDatagram();
  if (receiver == nullptr) {
    return Status::kNotOwner;  // one of a pair: the other one only
  }
  const auto sent = receiver->Deliver(*this, transfer);
  if (internet && sent.status() == Status::kBrokenPipe) {  // closed since we found it
    Attachment::Free(transfer.attachment);
    return SentToNobody(transfer.in.size());
  }
  return sent;
}

Result<std::uint64_t> DatagramEndpoint::Deliver(Endpoint& sender, Transfer& transfer) {
  const bool internet = family() == SocketFamily::kInternet;
  if (!internet && !Hears(sender)) {
    return Status::kNotOwner;
  }
  auto sent = inbox_->Write(transfer.in, transfer.attachment, /*all=*/true);
  if (sent.status() == Status::kWouldBlock && internet) {
    Attachment::Free(transfer.attachment);
    return std::uint64_t{transfer.in.size()};
  }
  if (sent.status() == Status::kWouldBlock) {
    services().room_waits().Begin(sender.room_wait(), room_, BitsFor(sender));
    sent = inbox_->Write(transfer.in, transfer.attachment, /*all=*/true);
    if (sent.status() != Status::kWouldBlock) {
      services().room_waits().End(sender.room_wait());
    }
  }
  return sent.status() == Status::kBrokenPipe && !internet ? Status::kConnectionRefused : sent;
}

bool DatagramEndpoint::IsConnectedTo(const Endpoint& other) {
  machine::SpinGuard guard(lock_);
  return target_.get() == &other;
}

std::uint32_t DatagramEndpoint::BitsFor(Endpoint& sender) {
  DatagramEndpoint* const datagrams = sender.AsDatagram();
  const bool connected = datagrams != nullptr && datagrams->IsConnectedTo(*this);
  return abi::kSendAgain | (connected ? abi::kWritable : 0);
}

void DatagramEndpoint::LookForRoom() {
  RefPtr<DatagramEndpoint> target;
  {
    machine::SpinGuard guard(lock_);
    target = target_;
  }
  if (!target || !target->inbox_->IsFullFor(1)) {
    return;
  }
  services().room_waits().Begin(room_wait(), target->room_, target->BitsFor(*this));
  if (!target->inbox_->IsFullFor(1)) {
    services().room_waits().End(room_wait());
  }
}

// It has another peer: what it waited for at the last one does not matter, and who is not its peer
// will not be heard any more.
void DatagramEndpoint::ForgetRoom() {
  services().room_waits().End(room_wait());
  services().room_waits().Release(room_);
}

Result<std::uint64_t> DatagramEndpoint::Receive(Transfer& transfer) {
  TRY(TakeError());
  ReadOutcome outcome;
  outcome.peeked = transfer.origin;
  const std::uint64_t count = TRY(inbox_->Read(transfer.out, transfer.peek, &outcome));
  transfer.attachment = outcome.attachment;
  transfer.message_size = outcome.message_size;
  transfer.cut = outcome.cut;
  services().room_waits().Release(room_);
  return count;
}

Status DatagramEndpoint::Shutdown(ShutdownSide side) {
  if (side != ShutdownSide::kWrite) {
    inbox_->Shut();
    services().room_waits().Release(room_);
  }
  if (side != ShutdownSide::kRead) {
    machine::SpinGuard guard(lock_);
    write_shut_ = true;
  }
  return Status::kOk;
}

}  // namespace k42::io
