// Making, naming and connecting sockets.
#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"
#include "user/linux/netlink.h"
#include "user/linux/socket_address.h"
#include "user/linux/socket_support.h"

namespace k42::personality {

KernelFile* AsSocket(const DescriptionRef& description, std::int64_t* error) {
  KernelFile* file = description.file();
  *error = !description ? -kEBADF : !file || !file->is_socket ? -kENOTSOCK : 0;
  return *error ? nullptr : file;
}

std::int64_t NewSocketFile(Thread& thread, kernel::Handle handle, std::uint32_t type_flags) {
  const std::uint32_t flags = kO_RDWR | (type_flags & kSockNonBlock ? kO_NONBLOCK : 0);
  KernelFile* file = KernelFile::Create(handle, flags);
  if (!file) {
    return -kENOMEM;
  }
  file->is_socket = file->is_stream = true;
  if (flags & kO_NONBLOCK) {
    (void)kernel::SetFlags(handle, fs::kOpenNonBlocking);
  }
  return thread.task->files->Add(file, (type_flags & kSockCloExec) != 0);
}

namespace calls {
namespace {

constexpr U32 kIpTcp = 6, kIpUdp = 17;

// The system's type for Linux's, or an error number.
std::int64_t TypeFromLinux(U32 family, U32 type, U32 protocol, io::SocketType* result) {
  switch (type & kSockTypeMask) {
    case kSockStream:
      *result = io::SocketType::kStream;
      return family == kAfInet && protocol != 0 && protocol != kIpTcp ? -kEPROTONOSUPPORT : 0;
    case kSockDgram:
      *result = io::SocketType::kDatagram;
      return family == kAfInet && protocol != 0 && protocol != kIpUdp ? -kEPROTONOSUPPORT : 0;
    case kSockSeqPacket:
      *result = io::SocketType::kSequencedPacket;
      return family == kAfUnix ? 0 : -kESOCKTNOSUPPORT;
    case kSockRaw:
      return family == kAfInet ? -kEPERM : -kESOCKTNOSUPPORT;
    default:
      return -kEINVAL;
  }
}

std::int64_t AcceptFrom(Thread& thread, U32 fd, Address address, Address size, U32 flags) {
  if ((flags & ~(kSockNonBlock | kSockCloExec)) != 0) {
    return -kEINVAL;
  }
  DescriptionRef description = Descriptor(thread, fd);
  std::int64_t error = 0;
  KernelFile* listener = AsSocket(description, &error);
  if (!listener) {
    return error;
  }
  const std::uint64_t deadline =
      listener->receive_timeout_ns ? kernel::MonotonicNs() + listener->receive_timeout_ns : 0;
  Result<kernel::Handle> accepted = kernel::Accept(listener->handle());
  while (accepted.status() == Status::kWouldBlock && !listener->nonblocking()) {
    if (const std::int64_t waited = WaitReady(listener, abi::kReadable, deadline); waited < 0) {
      return waited;
    }
    accepted = kernel::Accept(listener->handle());
  }
  if (!accepted.ok()) {
    return ErrnoOf(accepted.status());
  }
  const kernel::Handle handle = accepted.value();
  io::SocketAddress peer{};
  const Status named = kernel::GetName(handle, true, &peer);
  const std::int64_t result = NewSocketFile(thread, handle, flags);
  if (result >= 0 && address != 0 && named == Status::kOk) {
    if (const std::int64_t stored = StoreSocketAddress(peer, address, size); stored < 0) {
      (void)thread.task->files->Close(static_cast<U32>(result));
      return stored;
    }
  }
  return result;
}

std::int64_t NameOf(Thread& thread, U32 fd, bool peer, Address address, Address size) {
  DescriptionRef description = Descriptor(thread, fd);
  if (Netlink* netlink = AsNetlink(description)) {
    return netlink->StoreName(address, size);
  }
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  io::SocketAddress name{};
  const Status status = kernel::GetName(socket->handle(), peer, &name);
  return status == Status::kOk ? StoreSocketAddress(name, address, size) : ErrnoOf(status);
}

}  // namespace

Reply Socket(Thread& thread, U32 family, U32 type, U32 protocol) {
  if ((type & ~(kSockTypeMask | kSockNonBlock | kSockCloExec)) != 0) {
    return -kEINVAL;
  }
  if (family == kAfNetlink) {
    return NewNetlink(thread, type, protocol);
  }
  if (family != kAfUnix && family != kAfInet) {
    return -kEAFNOSUPPORT;
  }
  io::SocketType socket_type{};
  if (const std::int64_t error = TypeFromLinux(family, type, protocol, &socket_type)) {
    return error;
  }
  const Result<kernel::Handle> socket =
      kernel::MakeSocket(family == kAfUnix ? io::SocketFamily::kLocal : io::SocketFamily::kInternet,
                         socket_type, protocol);
  if (!socket.ok()) {
    return socket.status() == Status::kNotSupported    ? -kEPROTONOSUPPORT
           : socket.status() == Status::kLimitExceeded ? -kENFILE
                                                       : ErrnoOf(socket.status());
  }
  return NewSocketFile(thread, socket.value(), type);
}

Reply SocketPair(Thread& thread, U32 family, U32 type, U32 protocol, Address fds) {
  if (family != kAfUnix) {
    return family == kAfInet ? -kEOPNOTSUPP : -kEAFNOSUPPORT;
  }
  io::SocketType socket_type{};
  if (const std::int64_t error = TypeFromLinux(family, type, protocol, &socket_type)) {
    return error;
  }
  kernel::Handle other = kernel::kNoHandle;
  const Result<kernel::Handle> one = kernel::MakeSocketPair(socket_type, &other);
  if (!one.ok()) {
    return ErrnoOf(one.status());
  }
  const std::uint32_t flags = kO_RDWR | (type & kSockNonBlock ? kO_NONBLOCK : 0);
  KernelFile* first = KernelFile::Create(one.value(), flags);
  KernelFile* second = KernelFile::Create(other, flags);
  for (KernelFile* file : {first, second}) {
    if (file) {
      file->is_socket = file->is_stream = true;
      if (flags & kO_NONBLOCK) {
        (void)kernel::SetFlags(file->handle(), fs::kOpenNonBlocking);
      }
    }
  }
  return AddPair(thread, first, second, (type & kSockCloExec) != 0, fds);
}

Reply Bind(Thread& thread, U32 fd, Address address, U32 size) {
  DescriptionRef description = Descriptor(thread, fd);
  if (Netlink* netlink = AsNetlink(description)) {
    return netlink->Bind(address, size);
  }
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  io::SocketAddress name{};
  if (const std::int64_t bad = ReadSocketAddress(address, size, &name)) {
    return bad;
  }
  const Status status = kernel::Bind(socket->handle(), thread.task->fs->directory_handle(), name,
                                     0777 & ~thread.task->fs->umask);
  return status == Status::kAlreadyExists ? -kEADDRINUSE : ErrnoOf(status);
}

Reply Connect(Thread& thread, U32 fd, Address address, U32 size) {
  DescriptionRef description = Descriptor(thread, fd);
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  io::SocketAddress name{};
  if (const std::int64_t bad = ReadSocketAddress(address, size, &name)) {
    return bad;
  }
  const kernel::Handle directory = thread.task->fs->directory_handle();
  const std::uint64_t deadline =
      socket->send_timeout_ns ? kernel::MonotonicNs() + socket->send_timeout_ns : 0;
  Status status = kernel::Connect(socket->handle(), directory, name);
  while (status == Status::kWouldBlock && !socket->nonblocking()) {
    // A full backlog: writable tells when to try again.
    if (const std::int64_t waited = WaitReady(socket, abi::kWritable, deadline); waited < 0) {
      return waited;
    }
    status = kernel::Connect(socket->handle(), directory, name);
  }
  if (status == Status::kWouldBlock) {
    return -kEAGAIN;
  }
  if (status != Status::kInProgress || (socket->nonblocking() && !socket->connecting)) {
    if (status == Status::kInProgress) {
      socket->connecting = true;
      return -kEINPROGRESS;
    }
    return ErrnoOf(status);
  }
  if (socket->nonblocking()) {
    return -kEALREADY;
  }
  if (const std::int64_t waited = WaitReady(socket, abi::kWritable, deadline); waited < 0) {
    return waited == -kEAGAIN ? -kEINPROGRESS : waited;
  }
  socket->connecting = false;
  const Result<std::int64_t> outcome =
      kernel::GetSocketOption(socket->handle(), io::SocketOption::kError);
  return outcome.ok() ? ErrnoOf(static_cast<Status>(outcome.value())) : ErrnoOf(outcome.status());
}

Reply Listen(Thread& thread, U32 fd, I32 backlog) {
  DescriptionRef description = Descriptor(thread, fd);
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  constexpr U32 kMost = 4096;
  const auto wanted = static_cast<U32>(backlog);
  return ErrnoOf(kernel::Listen(socket->handle(), wanted < kMost ? wanted : kMost));
}

Reply Accept(Thread& thread, U32 fd, Address address, Address size) {
  return AcceptFrom(thread, fd, address, size, 0);
}
Reply Accept4(Thread& thread, U32 fd, Address address, Address size, U32 flags) {
  return AcceptFrom(thread, fd, address, size, flags);
}

Reply Shutdown(Thread& thread, U32 fd, U32 how) {
  if (how > 2) {
    return -kEINVAL;
  }
  DescriptionRef description = Descriptor(thread, fd);
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  return ErrnoOf(kernel::Shutdown(socket->handle(), static_cast<io::ShutdownSide>(how + 1)));
}

Reply GetSockName(Thread& thread, U32 fd, Address address, Address size) {
  return NameOf(thread, fd, false, address, size);
}
Reply GetPeerName(Thread& thread, U32 fd, Address address, Address size) {
  return NameOf(thread, fd, true, address, size);
}

}  // namespace calls
}  // namespace k42::personality
