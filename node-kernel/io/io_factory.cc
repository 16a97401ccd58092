#include "io/io_factory.h"

#include "fs/caller.h"
#include "io/datagram_endpoint.h"
#include "io/event_counter.h"
#include "io/fifo.h"
#include "io/socket_object.h"
#include "io/socket_services.h"
#include "io/stream_endpoint.h"
#include "io/task_file.h"

namespace k42::io {

Result<cobj::Granted<fs::IOpenFile>> IoFactory::MakePipe(Caller caller, std::uint32_t flags,
                                                         cobj::Granted<fs::IOpenFile>& writer) {
  fs::Identity who;
  TRY(fs::IdentityOf(caller, &who));
  cobj::Granted<fs::IOpenFile> reader;
  TRY(Fifo::MakePipe(who, flags, &reader, &writer));
  return reader;
}

Result<cobj::Granted<fs::IOpenFile>> IoFactory::MakeEventCounter(Caller caller,
                                                                 std::uint64_t initial,
                                                                 bool semaphore,
                                                                 std::uint32_t flags) {
  if (initial > EventCounter::kMost) {
    return Status::kInvalidArgument;
  }
  fs::Identity who;
  TRY(fs::IdentityOf(caller, &who));
  const auto ref = TRY(cobj::MakeShared<EventCounter>(
      initial, semaphore, NewStreamIdentity(fs::FileKind::kEventCounter, who),
      (flags & fs::kOpenChangeable) | fs::kOpenRead | fs::kOpenWrite));
  return cobj::Granted<fs::IOpenFile>(ref, fs::RightsFor(fs::kOpenRead | fs::kOpenWrite));
}

Result<cobj::Granted<fs::IOpenFile>> IoFactory::OpenTask(Caller caller, std::uint32_t task,
                                                         std::uint32_t flags) {
  return TaskFile::Make(caller, task, flags);
}

Result<cobj::Granted<ISocket>> IoFactory::MakeSocket(Caller caller, SocketFamily family,
                                                     SocketType type, std::uint32_t protocol,
                                                     std::uint32_t flags) {
  if (family == SocketFamily::kNone ||
      (family == SocketFamily::kInternet && type == SocketType::kSequencedPacket)) {
    return Status::kNotSupported;
  }
  SenderIdentity owner;
  TRY(IdentityOfSender(caller, &owner));
  RefPtr<Endpoint> endpoint;
  if (type == SocketType::kDatagram) {
    endpoint =
        RefPtr<DatagramEndpoint>::Adopt(TRY(DatagramEndpoint::Make(sockets_, family, owner)));
  } else {
    endpoint =
        RefPtr<StreamEndpoint>::Adopt(TRY(StreamEndpoint::Make(sockets_, family, type, owner)));
  }
  endpoint->SetOption(SocketOption::kProtocol, protocol);
  return SocketObject::Make(std::move(endpoint), flags);
}

Result<cobj::Granted<ISocket>> IoFactory::MakeSocketPair(Caller caller, SocketType type,
                                                         std::uint32_t flags,
                                                         cobj::Granted<ISocket>& other) {
  SenderIdentity owner;
  TRY(IdentityOfSender(caller, &owner));
  auto a = RefPtr<StreamEndpoint>::Adopt(
      TRY(StreamEndpoint::Make(sockets_, SocketFamily::kLocal, type, owner)));
  auto b = RefPtr<StreamEndpoint>::Adopt(
      TRY(StreamEndpoint::Make(sockets_, SocketFamily::kLocal, type, owner)));
  TRY(StreamEndpoint::Join(*a, *b));
  other = TRY(SocketObject::Make(std::move(b), flags));
  const auto first = SocketObject::Make(std::move(a), flags);
  if (!first.ok()) {  // nobody will hold the other one
    (void)other.ref->HandleAdded();
    (void)other.ref->HandleDropped();
    other = {};
  }
  return first;
}

}  // namespace k42::io
