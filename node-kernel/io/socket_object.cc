#include "io/socket_object.h"

#include <algorithm>

#include "fs/caller.h"
#include "io/control.types.h"
#include "io/datagram_endpoint.h"
#include "io/socket_services.h"
#include "io/stream_endpoint.h"

namespace k42::io {

Status IdentityOfSender(const cobj::CallContext& caller, SenderIdentity* sender) {
  fs::Identity who;
  TRY(fs::IdentityOf(caller, &who));
  *sender = {static_cast<std::uint32_t>(caller.process_id), who.user, who.group, 1};
  return Status::kOk;
}

Result<cobj::Granted<ISocket>> SocketObject::Make(RefPtr<Endpoint> endpoint, std::uint32_t flags) {
  fs::Identity owner;
  owner.user = endpoint->owner().user;
  owner.group = endpoint->owner().group;
  const auto ref = TRY(cobj::MakeShared<SocketObject>(
      std::move(endpoint), NewStreamIdentity(fs::FileKind::kSocket, owner),
      (flags & fs::kOpenChangeable) | fs::kOpenRead | fs::kOpenWrite));
  return cobj::Granted<ISocket>(ref, fs::RightsFor(fs::kOpenRead | fs::kOpenWrite));
}

SocketObject::SocketObject(RefPtr<Endpoint> endpoint, const StreamIdentity& identity,
                           std::uint32_t flags)
    : OpenFileBase(flags), endpoint_(std::move(endpoint)), identity_(identity) {
  endpoint_->services().open_sockets().Add(listed_, *endpoint_, identity_.number);
}

SocketObject::~SocketObject() {
  endpoint_->services().open_sockets().Remove(listed_);  // one that never had a handle
}

void SocketObject::Closed() {
  endpoint_->services().open_sockets().Remove(listed_);
  endpoint_->Close();
}

Status SocketObject::Disarm(Caller caller, std::uint32_t number) {
  endpoint_->list().Disarm(caller, number);
  return Status::kOk;
}

// -- names ----------------------------------------------------------------------------------------

Status SocketObject::Bind(Caller caller, Directory directory, const SocketAddress& address,
                          std::uint32_t mode) {
  return endpoint_->services().Bind(caller, *endpoint_, directory, address, mode);
}

Status SocketObject::BindAnywhere(Caller caller) {
  if (endpoint_->family() != SocketFamily::kInternet || endpoint_->bound() ||
      endpoint_->address().port != 0) {
    return Status::kOk;
  }
  SocketAddress any{};
  any.family = SocketFamily::kInternet;
  return endpoint_->services().Bind(caller, *endpoint_, {}, any, 0);
}

Status SocketObject::Listen(Caller caller, std::uint32_t backlog) {
  TRY(BindAnywhere(caller));
  if (!endpoint_->bound()) {
    return Status::kInvalidArgument;  // nobody could find it
  }
  return endpoint_->Listen(backlog);
}

Result<cobj::Granted<ISocket>> SocketObject::Accept(Caller) {
  return Make(RefPtr<Endpoint>::Adopt(TRY(endpoint_->Accept())), 0);
}

Status SocketObject::Connect(Caller caller, Directory directory, const SocketAddress& address) {
  if (address.family == SocketFamily::kNone) {
    return endpoint_->Disconnect();
  }
  if (address.family != endpoint_->family()) {
    return Status::kInvalidArgument;
  }
  SocketServices& services = endpoint_->services();
  SocketAddress target = address;
  if (target.family == SocketFamily::kInternet) {
    if (!services.IsHere(target.internet)) {
      if (endpoint_->type() != SocketType::kStream) {
        return Status::kUnreachable;
      }
      TRY(BindAnywhere(caller));
      return static_cast<StreamEndpoint&>(*endpoint_).ConnectRemote(target);
    }
    if (target.internet == kInternetAny) {
      target.internet = kInternetLoopback;
    }
  }
  if (endpoint_->type() == SocketType::kDatagram && target.family == SocketFamily::kInternet) {
    TRY(BindAnywhere(caller));
    static_cast<DatagramEndpoint&>(*endpoint_).ConnectTo(target);
    return Status::kOk;
  }
  if (endpoint_->type() != SocketType::kDatagram && endpoint_->connected()) {
    return Status::kAlreadyConnected;
  }
  const auto found =
      RefPtr<Endpoint>::Adopt(TRY(services.Find(caller, endpoint_->type(), directory, target)));
  TRY(BindAnywhere(caller));
  endpoint_->SetPeerAddress(target);
  return endpoint_->Connect(*found);
}

Status SocketObject::GetName(bool peer, SocketAddress& address) {
  if (peer && !endpoint_->connected()) {
    return Status::kNotConnected;
  }
  address = peer ? endpoint_->peer_address() : endpoint_->address();
  return Status::kOk;
}

Status SocketObject::GetPeerIdentity(SenderIdentity& identity) {
  identity = endpoint_->peer();
  return Status::kOk;
}

// -- bytes ----------------------------------------------------------------------------------------

Result<std::uint64_t> SocketObject::SendWith(Transfer& transfer, Attachment* attachment) {
  transfer.attachment = attachment;
  const auto sent = endpoint_->Send(transfer);
  if (!sent.ok()) {
    Attachment::Free(attachment);
  }
  return sent;
}

Result<std::uint64_t> SocketObject::Write(Caller caller, BufferIn data) {
  if (endpoint_->type() == SocketType::kDatagram) {
    return Send(caller, {}, data, SocketMessage{}, 0);
  }
  Transfer transfer;
  transfer.in = data;
  return endpoint_->Send(transfer);
}

Result<std::uint64_t> SocketObject::Read(Caller, BufferOut data) {
  Transfer transfer;
  transfer.out = data;
  const auto count = endpoint_->Receive(transfer);
  Attachment::Free(transfer.attachment);
  return count;
}

Result<std::uint64_t> SocketObject::Send(Caller caller, Directory directory, BufferIn data,
                                         const SocketMessage& message, std::uint32_t) {
  Transfer transfer;
  transfer.in = data;
  const bool datagram = endpoint_->type() == SocketType::kDatagram;
  if (message.has_address != 0 && !datagram) {
    return endpoint_->connected() ? Status::kAlreadyConnected : Status::kNotConnected;
  }
  const bool by_address =
      datagram && endpoint_->family() == SocketFamily::kInternet && endpoint_->connected();
  if (message.has_address != 0 || by_address) {
    TRY(by_address ? endpoint_->TakeError() : Status::kOk);
    SocketAddress target =
        message.has_address != 0 ? SocketAddress(message.address) : endpoint_->peer_address();
    if (target.family == SocketFamily::kInternet &&
        !endpoint_->services().IsHere(target.internet)) {
      return Status::kUnreachable;
    }
    TRY(BindAnywhere(caller));
    const bool internet = target.family == SocketFamily::kInternet;
    SocketServices& services = endpoint_->services();
    const Result<Endpoint*> found =
        internet ? services.FindReceiver(target, endpoint_->address())
                 : services.Find(caller, endpoint_->type(), directory, target);
    if (found.status() == Status::kConnectionRefused && internet) {
      return static_cast<DatagramEndpoint&>(*endpoint_).SentToNobody(data.size());
    }
    transfer.destination = RefPtr<Endpoint>::Adopt(TRY(found));
  }
  const bool local = endpoint_->family() == SocketFamily::kLocal;
  if (!datagram && (!local || message.handle_count == 0) &&
      endpoint_->option(SocketOption::kPassIdentity) == 0) {
    return SendWith(transfer, nullptr);
  }
  Attachment* attachment = TRY(Attachment::Make());
  Status status = IdentityOfSender(caller, &attachment->sender);
  attachment->address = endpoint_->address();
  attachment->has_address = datagram;
  if (IsOk(status) && local) {
    status = attachment->Hold(caller, message.handles, message.handle_count);
  }
  if (!IsOk(status)) {
    Attachment::Free(attachment);
    return status;
  }
  return SendWith(transfer, attachment);
}

Result<std::uint64_t> SocketObject::Receive(Caller caller, BufferOut data, std::uint32_t flags,
                                            std::uint32_t room, SocketMessage& message) {
  Transfer transfer;
  transfer.out = data;
  transfer.peek = (flags & kReceivePeek) != 0;
  Origin origin;
  transfer.origin = transfer.peek ? &origin : nullptr;
  const std::uint64_t count = TRY(endpoint_->Receive(transfer));
  message = {};
  message.datagram_size = transfer.message_size;
  message.outcome = transfer.cut ? kDataCut : 0;
  if (endpoint_->type() != SocketType::kStream) {
    message.outcome |= kEndOfRecord;
  }
  if (Attachment* attachment = transfer.attachment) {
    bool cut = false;
    message.handle_count =
        attachment->Deliver(caller, message.handles, std::min(room, kMaxPassedHandles), &cut);
    message.outcome |= cut ? kHandlesCut : 0;
    message.sender = attachment->sender;
    message.has_address = attachment->has_address ? 1 : 0;
    message.address = attachment->address;
    Attachment::Free(attachment);
  } else if (origin.has_address) {
    message.sender = origin.sender;
    message.has_address = 1;
    message.address = origin.address;
  } else {
    message.sender = endpoint_->peer();
  }
  return count;
}

// -- the rest -------------------------------------------------------------------------------------

Status SocketObject::GetAttributes(fs::FileAttributes& attributes) {
  FillAttributes(identity_, &attributes);
  return Status::kOk;
}

Status SocketObject::GetFileSystem(fs::FileSystemInfo& info) {
  FillFileSystem(identity_, &info);
  return Status::kOk;
}

Result<std::uint64_t> SocketObject::Control(Caller, std::uint32_t operation, BufferIn, BufferOut) {
  switch (operation) {
    case kControlBytesReadable:
      return endpoint_->listening() ? Result<std::uint64_t>(Status::kInvalidArgument)
                                    : Result<std::uint64_t>(endpoint_->bytes());
    case kControlBytesUnsent:
      return endpoint_->unsent();
    default:
      return Status::kNotTerminal;
  }
}

Result<std::int64_t> SocketObject::GetOption(SocketOption option) {
  switch (option) {
    case SocketOption::kError:
      return static_cast<std::int64_t>(endpoint_->TakeError());
    case SocketOption::kType:
      return static_cast<std::int64_t>(endpoint_->type());
    case SocketOption::kFamily:
      return static_cast<std::int64_t>(endpoint_->family());
    case SocketOption::kListening:
      return std::int64_t{endpoint_->listening() ? 1 : 0};
    default:
      return endpoint_->option(option);
  }
}

Status SocketObject::SetOption(SocketOption option, std::int64_t value) {
  switch (option) {
    case SocketOption::kError:
    case SocketOption::kType:
    case SocketOption::kFamily:
    case SocketOption::kListening:
    case SocketOption::kProtocol:
      return Status::kNotSupported;
    default:
      endpoint_->SetOption(option, value);
      return Status::kOk;
  }
}

}  // namespace k42::io
