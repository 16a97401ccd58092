// getsockopt and setsockopt: Linux's levels and numbers over io/socket.idl's options.
#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/netlink.h"
#include "user/linux/socket_address.h"
#include "user/linux/socket_support.h"

namespace k42::personality::calls {
namespace {

using Option = io::SocketOption;

struct Mapping {
  U32 level, number;
  Option option;
  std::int64_t unit;  // of the program's number, in ours (nanoseconds for seconds)
};
constexpr Mapping kMappings[] = {
    {kSolSocket, 2, Option::kReuseAddress, 1},
    {kSolSocket, 3, Option::kType, 1},
    {kSolSocket, 6, Option::kBroadcast, 1},
    {kSolSocket, 7, Option::kSendBuffer, 1},
    {kSolSocket, 8, Option::kReceiveBuffer, 1},
    {kSolSocket, 9, Option::kKeepAlive, 1},
    {kSolSocket, 10, Option::kInlineUrgent, 1},
    {kSolSocket, 12, Option::kPriority, 1},
    {kSolSocket, 15, Option::kReusePort, 1},
    {kSolSocket, 16, Option::kPassIdentity, 1},
    {kSolSocket, 18, Option::kReceiveLowMark, 1},
    {kSolSocket, 30, Option::kListening, 1},
    {kSolSocket, 32, Option::kSendBuffer, 1},
    {kSolSocket, 33, Option::kReceiveBuffer, 1},
    {kSolSocket, 38, Option::kProtocol, 1},
    {kSolIp, 1, Option::kTypeOfService, 1},
    {kSolIp, 2, Option::kTimeToLive, 1},
    {kSolIp, 11, Option::kReceiveErrors, 1},
    {kSolTcp, 1, Option::kNoDelay, 1},
    {kSolTcp, 2, Option::kMaxSegment, 1},
    {kSolTcp, 3, Option::kCork, 1},
    {kSolTcp, 4, Option::kKeepIdle, kNsPerSecond},
    {kSolTcp, 5, Option::kKeepInterval, kNsPerSecond},
    {kSolTcp, 6, Option::kKeepCount, 1},
    {kSolTcp, 7, Option::kSynCount, 1},
    {kSolTcp, 8, Option::kLinger2, kNsPerSecond},
    {kSolTcp, 9, Option::kDeferAccept, kNsPerSecond},
    {kSolTcp, 10, Option::kWindowClamp, 1},
    {kSolTcp, 12, Option::kQuickAck, 1},
    {kSolTcp, 18, Option::kUserTimeout, 1'000'000},
};
constexpr U32 kSoError = 4, kSoDontRoute = 5, kSoLinger = 13, kSoPeerCred = 17, kSoRcvTimeo = 20,
              kSoSndTimeo = 21, kSoTimestamp = 29, kSoDomain = 39, kTcpCongestion = 13;

const Mapping* FindMapping(U32 level, U32 number) {
  for (const Mapping& mapping : kMappings) {
    if (mapping.level == level && mapping.number == number) {
      return &mapping;
    }
  }
  return nullptr;
}

// A result of getsockopt: cut to the room, its size stored.
std::int64_t StoreValue(Address value, Address size, const void* bytes, U32 bytes_size) {
  U32 room = 0;
  if (!ReadUser(&room, size)) {
    return -kEFAULT;
  }
  if (static_cast<I32>(room) < 0) {
    return -kEINVAL;
  }
  const U32 stored = bytes_size < room ? bytes_size : room;
  return CopyOut(value, bytes, stored) && WriteUser(size, stored) ? 0 : -kEFAULT;
}
std::int64_t StoreNumber(Address value, Address size, std::int64_t number) {
  const auto word = static_cast<I32>(number);
  return StoreValue(value, size, &word, sizeof(word));
}

// A socket call's error as a program sees it in SO_ERROR: a positive number.
std::int64_t PendingError(KernelFile& socket) {
  const Result<std::int64_t> error = kernel::GetSocketOption(socket.handle(), Option::kError);
  socket.connecting = false;
  return error.ok() ? -ErrnoOf(static_cast<Status>(error.value())) : 0;
}

std::int64_t GetLinger(KernelFile& socket, Address value, Address size) {
  const std::int64_t ns = kernel::GetSocketOption(socket.handle(), Option::kLinger).ValueOr(-1);
  const LinuxLinger linger{ns >= 0, ns >= 0 ? static_cast<I32>(ns / kNsPerSecond) : 0};
  return StoreValue(value, size, &linger, sizeof(linger));
}

std::int64_t GetPeerCredentials(KernelFile& socket, Address value, Address size) {
  io::SenderIdentity identity{};
  const Status status = kernel::GetPeerIdentity(socket.handle(), &identity);
  LinuxUcred credentials{0, ~0u, ~0u};
  if (status == Status::kOk && identity.valid) {
    credentials = {static_cast<I32>(identity.process), identity.user, identity.group};
  }
  return StoreValue(value, size, &credentials, sizeof(credentials));
}

std::int64_t SetTimeout(KernelFile& socket, U32 number, Address value, U32 size) {
  LinuxTimeval time;
  if (size < sizeof(time)) {
    return -kEINVAL;
  }
  if (!ReadUser(&time, value)) {
    return -kEFAULT;
  }
  if (time.microseconds < 0 || time.microseconds >= 1'000'000) {
    return -kEDOM;
  }
  const std::uint64_t ns = time.seconds <= 0 && time.microseconds == 0
                               ? 0
                               : static_cast<std::uint64_t>(time.seconds) * kNsPerSecond +
                                     static_cast<std::uint64_t>(time.microseconds) * 1000;
  (number == kSoRcvTimeo ? socket.receive_timeout_ns : socket.send_timeout_ns) = ns;
  return 0;
}

}  // namespace

Reply GetSockOpt(Thread& thread, U32 fd, U32 level, U32 number, Address value, Address size) {
  DescriptionRef description = Descriptor(thread, fd);
  if (AsNetlink(description)) {
    return StoreNumber(value, size, number == 7 || number == 8 ? 212992 : 0);
  }
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  if (level == kSolSocket) {
    switch (number) {
      case kSoError:
        return StoreNumber(value, size, PendingError(*socket));
      case kSoLinger:
        return GetLinger(*socket, value, size);
      case kSoPeerCred:
        return GetPeerCredentials(*socket, value, size);
      case kSoDontRoute:
      case kSoTimestamp:
        return StoreNumber(value, size, 0);
      case kSoRcvTimeo:
      case kSoSndTimeo: {
        const std::uint64_t ns =
            number == kSoRcvTimeo ? socket->receive_timeout_ns : socket->send_timeout_ns;
        const LinuxTimeval time{static_cast<I64>(ns / kNsPerSecond),
                                static_cast<I64>(ns % kNsPerSecond / 1000)};
        return StoreValue(value, size, &time, sizeof(time));
      }
      case kSoDomain: {
        const auto family = static_cast<io::SocketFamily>(
            kernel::GetSocketOption(socket->handle(), Option::kFamily).ValueOr(0));
        return StoreNumber(value, size, family == io::SocketFamily::kInternet ? kAfInet : kAfUnix);
      }
      default:
        break;
    }
  }
  if (level == kSolTcp && number == kTcpCongestion) {
    return StoreValue(value, size, "cubic", 6);
  }
  const Mapping* mapping = FindMapping(level, number);
  if (!mapping) {
    return level == kSolSocket || level == kSolTcp || level == kSolIp ? -kENOPROTOOPT
                                                                      : -kEOPNOTSUPP;
  }
  const Result<std::int64_t> word = kernel::GetSocketOption(socket->handle(), mapping->option);
  if (!word.ok()) {
    return word.status() == Status::kNotSupported ? -kENOPROTOOPT : ErrnoOf(word.status());
  }
  std::int64_t number_value = word.value() / mapping->unit;
  if (mapping->option == Option::kType) {
    const auto type = static_cast<io::SocketType>(word.value());
    number_value = type == io::SocketType::kStream     ? kSockStream
                   : type == io::SocketType::kDatagram ? kSockDgram
                                                       : kSockSeqPacket;
  }
  return StoreNumber(value, size, number_value);
}

Reply SetSockOpt(Thread& thread, U32 fd, U32 level, U32 number, Address value, U32 size) {
  DescriptionRef description = Descriptor(thread, fd);
  if (AsNetlink(description)) {
    return 0;
  }
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  if (level == kSolSocket && (number == kSoRcvTimeo || number == kSoSndTimeo)) {
    return SetTimeout(*socket, number, value, size);
  }
  if (level == kSolTcp && number == kTcpCongestion) {
    return 0;
  }
  I32 word = 0;
  if (size < sizeof(word)) {
    return -kEINVAL;
  }
  if (!ReadUser(&word, value)) {
    return -kEFAULT;
  }
  if (level == kSolSocket && number == kSoLinger) {
    LinuxLinger linger;
    if (size < sizeof(linger) || !ReadUser(&linger, value)) {
      return size < sizeof(linger) ? -kEINVAL : -kEFAULT;
    }
    return ErrnoOf(kernel::SetSocketOption(socket->handle(), Option::kLinger,
                                           linger.on ? linger.seconds * kNsPerSecond : -1));
  }
  if (level == kSolSocket && number == kSoDontRoute) {
    return 0;
  }
  if (level == kSolSocket && number == kSoTimestamp) {
    return word != 0 ? -kENOPROTOOPT : 0;  // nothing that arrives is stamped
  }
  const Mapping* mapping = FindMapping(level, number);
  if (!mapping) {
    return -kENOPROTOOPT;
  }
  std::int64_t wanted = std::int64_t{word} * mapping->unit;
  if (mapping->option == Option::kSendBuffer || mapping->option == Option::kReceiveBuffer) {
    wanted *= 2;  // Linux doubles what it is asked for, and reports that
  }
  const Status status = kernel::SetSocketOption(socket->handle(), mapping->option, wanted);
  return status == Status::kNotSupported ? -kENOPROTOOPT : ErrnoOf(status);
}

}  // namespace k42::personality::calls
