// Sending and receiving, with addresses, descriptors and credentials beside the bytes.
#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"
#include "user/linux/file_slots.h"
#include "user/linux/gathered.h"
#include "user/linux/netlink.h"
#include "user/linux/signals.h"
#include "user/linux/socket_address.h"
#include "user/linux/socket_support.h"

namespace k42::personality::calls {
namespace {

constexpr std::uint64_t kControlMax = 4096;

constexpr std::uint64_t CmsgAlign(std::uint64_t size) {
  return (size + 7) & ~std::uint64_t{7};
}

std::uint64_t Deadline(std::uint64_t timeout_ns) {
  return timeout_ns ? kernel::MonotonicNs() + timeout_ns : 0;
}

// One send of contiguous bytes; a blocking stream sends all of it.
std::int64_t SendBytes(Thread& thread, KernelFile& socket, std::uint64_t buffer, std::uint64_t size,
                       io::SocketMessage& message, U32 flags) {
  if (flags & kMsgOob) {
    return -kEOPNOTSUPP;
  }
  const bool wait = (flags & kMsgDontWait) == 0;
  const std::uint64_t deadline = Deadline(socket.send_timeout_ns);
  std::uint32_t how = flags & kMsgMore ? io::kSendMore : 0;
  how |= flags & kMsgEor ? io::kSendEndOfRecord : 0;
  std::uint64_t done = 0;
  for (;;) {
    const Result<std::uint64_t> sent =
        kernel::Send(socket.handle(), thread.task->fs->directory_handle(), buffer + done,
                     size - done, message, how);
    if (sent.ok()) {
      done += sent.value();
      if (done >= size) {
        return static_cast<Reply>(done);
      }
      message.handle_count = 0;  // they have gone with the first part
      continue;
    }
    if (sent.status() != Status::kWouldBlock || !wait || socket.nonblocking()) {
      if (done != 0) {
        return static_cast<Reply>(done);
      }
      if (sent.status() == Status::kBrokenPipe && !(flags & kMsgNoSignal)) {
        RaiseSignal(thread, kSIGPIPE);
      }
      return ErrnoOf(sent.status());
    }
    // Not connected, it can always send to somebody: what it waits for is this receiver's room.
    const std::uint32_t room = message.has_address ? abi::kSendAgain : abi::kWritable;
    if (const std::int64_t waited = WaitReady(&socket, room, deadline); waited < 0) {
      return done ? static_cast<Reply>(done) : waited;
    }
  }
}

bool IsInternet(KernelFile& socket) {
  return kernel::GetSocketOption(socket.handle(), io::SocketOption::kFamily).ValueOr(0) ==
         static_cast<std::int64_t>(io::SocketFamily::kInternet);
}

std::int64_t ReceiveBytes(KernelFile& socket, std::uint64_t buffer, std::uint64_t size, U32 flags,
                          std::uint32_t room, io::SocketMessage* message) {
  if (flags & kMsgOob) {
    return -kEINVAL;
  }
  // Errors are told by calls and SO_ERROR, none is queued. Local sockets do not know the flag.
  if ((flags & kMsgErrQueue) && IsInternet(socket)) {
    return -kEAGAIN;
  }
  const bool wait = (flags & kMsgDontWait) == 0;
  const std::uint64_t deadline = Deadline(socket.receive_timeout_ns);
  const std::uint32_t how = flags & kMsgPeek ? io::kReceivePeek : 0;
  std::uint64_t done = 0;
  for (;;) {
    const Result<std::uint64_t> got =
        kernel::Receive(socket.handle(), buffer + done, size - done, how, room, message);
    if (got.ok()) {
      done += got.value();
      const bool more = (flags & kMsgWaitAll) != 0 && (flags & kMsgPeek) == 0 && done < size &&
                        got.value() != 0 && message->datagram_size == 0;
      if (!more) {
        return static_cast<Reply>(done);
      }
      continue;
    }
    if (got.status() != Status::kWouldBlock || !wait || socket.nonblocking()) {
      return done ? static_cast<Reply>(done) : ErrnoOf(got.status());
    }
    if (const std::int64_t waited = WaitReady(&socket, abi::kReadable, deadline); waited < 0) {
      return done ? static_cast<Reply>(done) : waited;
    }
  }
}

// SCM_RIGHTS from the program's control bytes into handles.
std::int64_t LoadControl(Thread& thread, const LinuxMsgHdr& header, io::SocketMessage* message) {
  if (header.control_size == 0) {
    return 0;
  }
  if (header.control_size > kControlMax) {
    return -kENOBUFS;
  }
  Buffer control(header.control_size);
  if (!control) {
    return -kENOMEM;
  }
  if (!CopyIn(control.data(), header.control, header.control_size)) {
    return -kEFAULT;
  }
  std::uint64_t at = 0;
  while (at + sizeof(LinuxCmsgHdr) <= header.control_size) {
    LinuxCmsgHdr part;
    std::memcpy(&part, control.data() + at, sizeof(part));
    if (part.size < sizeof(part) || part.size > header.control_size - at) {
      return -kEINVAL;
    }
    if (part.level == kSolSocket && part.type == kScmRights) {
      const std::uint64_t count = (part.size - sizeof(part)) / sizeof(I32);
      for (std::uint64_t i = 0; i < count; ++i) {
        I32 fd = 0;
        std::memcpy(&fd, control.data() + at + sizeof(part) + i * sizeof(fd), sizeof(fd));
        DescriptionRef passed = Descriptor(thread, static_cast<U32>(fd));
        if (!passed) {
          return -kEBADF;
        }
        if (!passed.file() || message->handle_count == io::kMaxPassedHandles) {
          return -kEINVAL;
        }
        NoteShared(*passed.file());
        message->handles[message->handle_count++] = passed.file()->handle();
      }
    } else if (part.level != kSolSocket || part.type != kScmCredentials) {
      return -kEINVAL;
    }
    at += CmsgAlign(part.size);
  }
  return 0;
}

// Received handles and the sender's identity as control bytes. Sets size and MSG_CTRUNC.
std::int64_t StoreControl(Thread& thread, const KernelFile& socket, io::SocketMessage& message,
                          U32 flags, LinuxMsgHdr* header) {
  std::uint64_t used = 0;
  const bool pass_identity =
      kernel::GetSocketOption(socket.handle(), io::SocketOption::kPassIdentity).ValueOr(0) != 0;
  if (pass_identity && message.sender.valid) {
    struct {
      LinuxCmsgHdr header;
      LinuxUcred identity;
    } part{{sizeof(LinuxCmsgHdr) + sizeof(LinuxUcred), kSolSocket, kScmCredentials},
           {static_cast<I32>(message.sender.process), message.sender.user, message.sender.group}};
    if (header->control_size >= CmsgAlign(part.header.size)) {
      if (!CopyOut(header->control, &part, part.header.size)) {
        return -kEFAULT;
      }
      used = CmsgAlign(part.header.size);
    } else {
      header->flags |= kMsgCtrunc;
    }
  }
  if (message.outcome & io::kHandlesCut) {
    header->flags |= kMsgCtrunc;
  }
  if (message.handle_count > 0) {
    const std::uint64_t room = header->control_size - used;
    std::uint32_t fit = room < sizeof(LinuxCmsgHdr)
                            ? 0
                            : static_cast<U32>((room - sizeof(LinuxCmsgHdr)) / sizeof(I32));
    fit = fit < message.handle_count ? fit : message.handle_count;
    struct {
      LinuxCmsgHdr header;
      I32 fds[io::kMaxPassedHandles];
    } part{};
    std::uint32_t stored = 0;
    for (std::uint32_t i = 0; i < message.handle_count; ++i) {
      const std::int64_t fd =
          i < fit ? AdoptHandle(thread, message.handles[i], (flags & kMsgCmsgCloExec) != 0) : -1;
      if (i >= fit) {
        kernel::Close(message.handles[i]);
      }
      if (fd >= 0) {
        part.fds[stored++] = static_cast<I32>(fd);
      }
    }
    if (stored < message.handle_count) {
      header->flags |= kMsgCtrunc;
    }
    if (stored > 0) {
      part.header = {sizeof(LinuxCmsgHdr) + stored * sizeof(I32), kSolSocket, kScmRights};
      if (!CopyOut(header->control + used, &part, part.header.size)) {
        return -kEFAULT;
      }
      const std::uint64_t whole = CmsgAlign(part.header.size);
      used += whole < room ? whole : part.header.size;
    }
  }
  header->control_size = used;
  return 0;
}

std::int64_t SendMessage(Thread& thread, U32 fd, Address address, U32 flags) {
  LinuxMsgHdr header;
  if (!ReadUser(&header, address)) {
    return -kEFAULT;
  }
  IoVector pieces;
  if (const std::int64_t error = pieces.Load(header.vector, header.vector_count)) {
    return error == -kEINVAL && header.vector_count > kIovMax ? -kEMSGSIZE : error;
  }
  Gathered bytes(pieces, kGatherMax);
  if (!bytes.ok()) {
    return -kENOMEM;
  }
  if (!bytes.Gather() || (pieces.count() == 1 && !InProgram(pieces[0].base, pieces[0].size))) {
    return -kEFAULT;
  }
  DescriptionRef description = Descriptor(thread, fd);
  if (Netlink* netlink = AsNetlink(description)) {
    return netlink->Send(bytes.address(), bytes.size());
  }
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  io::SocketMessage message{};
  if (header.name != 0 && header.name_size != 0) {
    if (const std::int64_t bad =
            ReadSocketAddress(header.name, header.name_size, &message.address)) {
      return bad;
    }
    message.has_address = 1;
  }
  if (const std::int64_t bad = LoadControl(thread, header, &message)) {
    return bad;
  }
  return SendBytes(thread, *socket, bytes.address(), bytes.size(), message, flags);
}

std::int64_t ReceiveMessage(Thread& thread, U32 fd, Address address, U32 flags) {
  LinuxMsgHdr header;
  if (!ReadUser(&header, address)) {
    return -kEFAULT;
  }
  IoVector pieces;
  if (const std::int64_t error = pieces.Load(header.vector, header.vector_count)) {
    return error;
  }
  Gathered bytes(pieces, kGatherMax);
  if (!bytes.ok()) {
    return -kENOMEM;
  }
  if (pieces.count() == 1 && !InProgram(pieces[0].base, pieces[0].size)) {
    return -kEFAULT;
  }
  DescriptionRef description = Descriptor(thread, fd);
  if (Netlink* netlink = AsNetlink(description)) {
    return netlink->ReceiveMessage(pieces, header, address, flags);
  }
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  io::SocketMessage message{};
  const std::uint32_t room = header.control_size > sizeof(LinuxCmsgHdr) ? io::kMaxPassedHandles : 0;
  const std::int64_t got =
      ReceiveBytes(*socket, bytes.address(), bytes.size(), flags, room, &message);
  if (got < 0) {
    return got;
  }
  if (!bytes.Scatter(static_cast<std::uint64_t>(got))) {
    return -kEFAULT;
  }
  header.flags = flags & kMsgCmsgCloExec;
  header.flags |= message.outcome & io::kDataCut ? kMsgTrunc : 0;
  header.flags |= message.outcome & io::kEndOfRecord ? kMsgEor : 0;
  if (header.name != 0) {
    std::int64_t size = 0;
    if (message.has_address) {
      size = StoreAddressIn(message.address, header.name, header.name_size);
      if (size < 0) {
        return size;
      }
    }
    header.name_size = static_cast<U32>(size);
  }
  if (const std::int64_t bad = StoreControl(thread, *socket, message, flags, &header)) {
    return bad;
  }
  if (!WriteUser(address, header)) {
    return -kEFAULT;
  }
  return flags & kMsgTrunc && message.outcome & io::kDataCut
             ? static_cast<Reply>(message.datagram_size)
             : got;
}

}  // namespace

Reply SendTo(Thread& thread, U32 fd, Address buffer, U64 size, U32 flags, Address address,
             U32 address_size) {
  if (!InProgram(buffer, size)) {
    return -kEFAULT;
  }
  DescriptionRef description = Descriptor(thread, fd);
  if (Netlink* netlink = AsNetlink(description)) {
    return netlink->Send(buffer, size);
  }
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  io::SocketMessage message{};
  if (address != 0 && address_size != 0) {
    if (const std::int64_t bad = ReadSocketAddress(address, address_size, &message.address)) {
      return bad;
    }
    message.has_address = 1;
  }
  return SendBytes(thread, *socket, buffer, size < kMaxTransfer ? size : kMaxTransfer, message,
                   flags);
}

Reply RecvFrom(Thread& thread, U32 fd, Address buffer, U64 size, U32 flags, Address address,
               Address address_size) {
  if (!InProgram(buffer, size)) {
    return -kEFAULT;
  }
  DescriptionRef description = Descriptor(thread, fd);
  if (Netlink* netlink = AsNetlink(description)) {
    return netlink->Receive(buffer, size, flags, address, address_size);
  }
  std::int64_t error = 0;
  KernelFile* socket = AsSocket(description, &error);
  if (!socket) {
    return error;
  }
  io::SocketMessage message{};
  const std::int64_t got =
      ReceiveBytes(*socket, buffer, size < kMaxTransfer ? size : kMaxTransfer, flags, 0, &message);
  if (got < 0) {
    return got;
  }
  if (address != 0) {
    if (message.has_address) {
      if (const std::int64_t bad = StoreSocketAddress(message.address, address, address_size)) {
        return bad;
      }
    } else {
      const U32 none = 0;
      if (!WriteUser(address_size, none)) {
        return -kEFAULT;
      }
    }
  }
  return flags & kMsgTrunc && message.outcome & io::kDataCut
             ? static_cast<Reply>(message.datagram_size)
             : got;
}

Reply SendMsg(Thread& thread, U32 fd, Address message, U32 flags) {
  return SendMessage(thread, fd, message, flags);
}
Reply RecvMsg(Thread& thread, U32 fd, Address message, U32 flags) {
  return ReceiveMessage(thread, fd, message, flags);
}

Reply SendMMsg(Thread& thread, U32 fd, Address messages, U32 count, U32 flags) {
  count = count < kIovMax ? count : static_cast<U32>(kIovMax);
  for (U32 i = 0; i < count; ++i) {
    const Address at = messages + i * sizeof(LinuxMMsgHdr);
    const std::int64_t sent = SendMessage(thread, fd, at, flags);
    if (sent < 0) {
      return i ? static_cast<Reply>(i) : sent;
    }
    if (!WriteUser(at + offsetof(LinuxMMsgHdr, size), static_cast<U32>(sent))) {
      return -kEFAULT;
    }
  }
  return count;
}

Reply RecvMMsg(Thread& thread, U32 fd, Address messages, U32 count, U32 flags, Address timeout) {
  // As on Linux, it is looked at between messages only: one that does not come is waited for.
  std::uint64_t deadline = ~0ull;
  if (timeout != 0) {
    std::int64_t ns = 0;
    if (const std::int64_t error = ReadTimespec(timeout, &ns)) {
      return error;
    }
    deadline = DeadlineAfter(ns);
  }
  count = count < kIovMax ? count : static_cast<U32>(kIovMax);
  for (U32 i = 0; i < count; ++i) {
    const Address at = messages + i * sizeof(LinuxMMsgHdr);
    const U32 how = i > 0 && (flags & kMsgWaitForOne) ? flags | kMsgDontWait : flags;
    const std::int64_t got = ReceiveMessage(thread, fd, at, how & ~kMsgWaitForOne);
    if (got < 0) {
      if (i == 0) {
        return got;
      }
      count = i;
      break;
    }
    if (!WriteUser(at + offsetof(LinuxMMsgHdr, size), static_cast<U32>(got))) {
      return -kEFAULT;
    }
    if (timeout != 0 && kernel::MonotonicNs() >= deadline) {
      count = i + 1;
    }
  }
  if (timeout != 0 && count != 0) {
    const std::uint64_t now = kernel::MonotonicNs();
    const std::uint64_t rest = now < deadline ? deadline - now : 0;
    return WriteUser(timeout, ToTimespec(static_cast<std::int64_t>(rest))) ? Reply{count}
                                                                           : -kEFAULT;
  }
  return count;
}

}  // namespace k42::personality::calls
