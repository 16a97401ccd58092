#include "user/linux/netlink.h"

#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/epoll.h"
#include "user/linux/interfaces.h"

namespace k42::personality {
namespace {

struct Header {
  std::uint32_t size;
  std::uint16_t type, flags;
  std::uint32_t sequence, port;
};
struct LinkBody {
  std::uint8_t family, pad;
  std::uint16_t type;
  std::int32_t index;
  std::uint32_t flags, change;
};
struct AddressBody {
  std::uint8_t family, prefix, flags, scope;
  std::uint32_t index;
};
constexpr std::uint16_t kError = 2, kDone = 3, kNewLink = 16, kGetLink = 18, kNewAddress = 20,
                        kGetAddress = 22, kGetRoute = 26;
constexpr std::uint16_t kMulti = 2, kDump = 0x300;
constexpr std::uint16_t kLinkAddress = 1, kLinkBroadcast = 2, kLinkName = 3, kLinkMtu = 4,
                        kLinkOperState = 16;
constexpr std::uint16_t kAddressLocal = 2, kAddressAddress = 1, kAddressLabel = 3,
                        kAddressBroadcast = 4;
constexpr std::uint32_t kRouteProtocol = 0;

// One netlink message after the other in a buffer.
class MessageWriter {
 public:
  MessageWriter(char* to, std::uint32_t limit) : at_(to), limit_(limit) {}
  void Begin(std::uint16_t type, std::uint16_t flags, const Header& request, std::uint32_t port) {
    start_ = used_;
    const Header header{0, type, flags, request.sequence, port};
    Put(&header, sizeof(header));
  }
  void Put(const void* bytes, std::uint32_t size) {
    if (used_ + size <= limit_) {
      std::memcpy(at_ + used_, bytes, size);
      used_ += size;
    }
  }
  void Attribute(std::uint16_t type, const void* bytes, std::uint16_t size) {
    const std::uint16_t head[2] = {static_cast<std::uint16_t>(sizeof(head) + size), type};
    Put(head, sizeof(head));
    Put(bytes, size);
    Pad();
  }
  void End() {
    Pad();
    const std::uint32_t size = used_ - start_;
    std::memcpy(at_ + start_, &size, sizeof(size));
  }
  std::uint32_t used() const { return used_; }

 private:
  void Pad() {
    while (used_ % 4 != 0 && used_ < limit_) {
      at_[used_++] = 0;
    }
  }
  char* at_;
  std::uint32_t limit_;
  std::uint32_t used_ = 0, start_ = 0;
};

void PutLink(MessageWriter& out, const Interface& interface, const Header& request,
             std::uint32_t port) {
  const LinkBody body{
      0, 0, interface.type, static_cast<std::int32_t>(interface.index), interface.flags, ~0u};
  const unsigned char broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  const std::uint8_t up = interface.index == 1 ? 0 : 6;
  out.Begin(kNewLink, kMulti, request, port);
  out.Put(&body, sizeof(body));
  out.Attribute(kLinkName, interface.name,
                static_cast<std::uint16_t>(std::strlen(interface.name) + 1));
  out.Attribute(kLinkMtu, &interface.mtu, 4);
  out.Attribute(kLinkOperState, &up, 1);
  out.Attribute(kLinkAddress, interface.hardware, 6);
  out.Attribute(kLinkBroadcast, broadcast, 6);
  out.End();
}

void PutAddress(MessageWriter& out, const Interface& interface, const Header& request,
                std::uint32_t port) {
  constexpr std::uint8_t kPermanent = 0x80, kScopeHost = 254;
  const AddressBody body{static_cast<std::uint8_t>(kAfInet),
                         static_cast<std::uint8_t>(interface.prefix), kPermanent,
                         interface.index == 1 ? kScopeHost : std::uint8_t{0}, interface.index};
  const std::uint32_t address = SwapBytes32(interface.address);
  const std::uint32_t broadcast = SwapBytes32(interface.address | ~interface.netmask);
  out.Begin(kNewAddress, kMulti, request, port);
  out.Put(&body, sizeof(body));
  out.Attribute(kAddressAddress, &address, 4);
  out.Attribute(kAddressLocal, &address, 4);
  if (interface.index != 1) {
    out.Attribute(kAddressBroadcast, &broadcast, 4);
  }
  out.Attribute(kAddressLabel, interface.name,
                static_cast<std::uint16_t>(std::strlen(interface.name) + 1));
  out.End();
}

}  // namespace

Netlink* AsNetlink(const DescriptionRef& description) {
  return description && description->kind() == Description::Kind::kNetlink
             ? static_cast<Netlink*>(description.get())
             : nullptr;
}

std::int64_t NewNetlink(Thread& thread, std::uint32_t type, std::uint32_t protocol) {
  const std::uint32_t kind = type & kSockTypeMask;
  if (kind != kSockRaw && kind != kSockDgram) {
    return -kESOCKTNOSUPPORT;
  }
  if (protocol != kRouteProtocol) {
    return -kEPROTONOSUPPORT;
  }
  Netlink* netlink = Netlink::Create(kO_RDWR | (type & kSockNonBlock ? kO_NONBLOCK : 0),
                                     static_cast<std::uint32_t>(thread.task->pid));
  return netlink ? thread.task->files->Add(netlink, (type & kSockCloExec) != 0) : -kENOMEM;
}

Netlink* Netlink::Create(std::uint32_t linux_flags, std::uint32_t port) {
  void* memory = Allocate(sizeof(Netlink));
  return memory ? new (memory) Netlink(linux_flags, port) : nullptr;
}

void Netlink::Destroy() {
  Epoll::DescriptionGone(this);
  this->~Netlink();
  Free(this, sizeof(Netlink));
}

std::int64_t Netlink::Bind(std::uint64_t address, std::uint32_t size) {
  LinuxSockAddrNl name;
  if (size < sizeof(name)) {
    return -kEINVAL;
  }
  if (!ReadUser(&name, address)) {
    return -kEFAULT;
  }
  if (name.pid != 0) {
    port_ = name.pid;
  }
  return name.family == kAfNetlink ? 0 : -kEINVAL;
}

std::int64_t Netlink::StoreName(std::uint64_t address, std::uint64_t size) {
  const LinuxSockAddrNl name{static_cast<std::uint16_t>(kAfNetlink), 0, port_, 0};
  std::uint32_t room = 0;
  if (!ReadUser(&room, size)) {
    return -kEFAULT;
  }
  room = room < sizeof(name) ? room : static_cast<std::uint32_t>(sizeof(name));
  const auto whole = static_cast<std::uint32_t>(sizeof(name));
  return CopyOut(address, &name, room) && WriteUser(size, whole) ? 0 : -kEFAULT;
}

std::int64_t Netlink::Send(std::uint64_t buffer, std::uint64_t size) {
  Header request;
  if (size < sizeof(request)) {
    return -kEINVAL;
  }
  // The buffer may be ours (gathered) or the program's.
  if (InProgram(buffer, size)) {
    if (!CopyIn(&request, buffer, sizeof(request))) {
      return -kEFAULT;
    }
  } else {
    std::memcpy(&request, reinterpret_cast<const void*>(buffer), sizeof(request));
  }
  Answer(&request);
  Notify();
  return static_cast<std::int64_t>(size);
}

void Netlink::Answer(const void* bytes) {
  Header request;
  std::memcpy(&request, bytes, sizeof(request));
  Interface interfaces[kInterfaceCount];
  const std::uint32_t count = ListInterfaces(interfaces);
  if (used_ + 64 > kAnswersMax) {
    return;  // the program does not read its answers
  }
  const auto store = [&](const auto& fill) {
    MessageWriter out(answers_ + used_ + 4, kAnswersMax - used_ - 4);
    fill(out);
    const std::uint32_t size = out.used();
    std::memcpy(answers_ + used_, &size, sizeof(size));
    used_ += 4 + size;
  };
  const bool dump = (request.flags & kDump) != 0;
  if (dump && (request.type == kGetLink || request.type == kGetAddress)) {
    store([&](MessageWriter& out) {
      for (std::uint32_t i = 0; i < count; ++i) {
        if (request.type == kGetLink) {
          PutLink(out, interfaces[i], request, port_);
        } else {
          PutAddress(out, interfaces[i], request, port_);
        }
      }
    });
  } else if (!dump || request.type != kGetRoute) {
    store([&](MessageWriter& out) {
      const std::int32_t code = -static_cast<std::int32_t>(kEOPNOTSUPP);
      out.Begin(kError, 0, request, port_);
      out.Put(&code, sizeof(code));
      out.Put(&request, sizeof(request));
      out.End();
    });
    return;
  }
  store([&](MessageWriter& out) {
    const std::int32_t zero = 0;
    out.Begin(kDone, kMulti, request, port_);
    out.Put(&zero, sizeof(zero));
    out.End();
  });
}

std::uint32_t Netlink::NextSize() const {
  std::uint32_t size = 0;
  if (used_ >= sizeof(size)) {
    std::memcpy(&size, answers_, sizeof(size));
  }
  return size;
}

void Netlink::Consume() {
  const std::uint32_t whole = 4 + NextSize();
  std::memmove(answers_, answers_ + whole, used_ - whole);
  used_ -= whole;
}

std::int64_t Netlink::WaitForAnswer(std::uint32_t flags) {
  while (NextSize() == 0) {
    if (nonblocking() || (flags & kMsgDontWait)) {
      return -kEAGAIN;
    }
    if (const std::int64_t waited = WaitReady(this, abi::kReadable); waited < 0) {
      return waited;
    }
  }
  return 0;
}

std::int64_t Netlink::Receive(std::uint64_t buffer, std::uint64_t size, std::uint32_t flags,
                              std::uint64_t address, std::uint64_t address_size) {
  if (const std::int64_t error = WaitForAnswer(flags)) {
    return error;
  }
  const std::uint32_t whole = NextSize();
  const std::uint64_t part = whole < size ? whole : size;
  if (!CopyOut(buffer, answers_ + 4, part)) {
    return -kEFAULT;
  }
  if (!(flags & kMsgPeek)) {
    Consume();
  }
  if (address != 0) {
    const LinuxSockAddrNl name{static_cast<std::uint16_t>(kAfNetlink), 0, 0, 0};
    const auto name_size = static_cast<std::uint32_t>(sizeof(name));
    if (!WriteUser(address, name) || !WriteUser(address_size, name_size)) {
      return -kEFAULT;
    }
  }
  return flags & kMsgTrunc ? static_cast<std::int64_t>(whole) : static_cast<std::int64_t>(part);
}

std::int64_t Netlink::ReceiveMessage(const IoVector& pieces, LinuxMsgHdr& header,
                                     std::uint64_t address, std::uint32_t flags) {
  if (const std::int64_t error = WaitForAnswer(flags)) {
    return error;
  }
  const std::uint32_t whole = NextSize();
  std::uint64_t done = 0;
  for (std::uint64_t i = 0; i < pieces.count() && done < whole; ++i) {
    const std::uint64_t left = whole - done;
    const std::uint64_t part = pieces[i].size < left ? pieces[i].size : left;
    if (!CopyOut(pieces[i].base, answers_ + 4 + done, part)) {
      return -kEFAULT;
    }
    done += part;
  }
  const LinuxSockAddrNl name{static_cast<std::uint16_t>(kAfNetlink), 0, 0, 0};
  if (header.name != 0 && header.name_size >= sizeof(name) && !WriteUser(header.name, name)) {
    return -kEFAULT;
  }
  header.name_size = header.name != 0 ? static_cast<std::uint32_t>(sizeof(name)) : 0;
  header.control_size = 0;
  header.flags = done < whole ? kMsgTrunc : 0;
  if (!WriteUser(address, header)) {
    return -kEFAULT;
  }
  if (!(flags & kMsgPeek)) {
    Consume();
  }
  return flags & kMsgTrunc ? static_cast<std::int64_t>(whole) : static_cast<std::int64_t>(done);
}

std::int64_t Netlink::Read(std::uint64_t address, std::uint64_t size) {
  return Receive(address, size, 0, 0, 0);
}
std::int64_t Netlink::Write(std::uint64_t address, std::uint64_t size) {
  return Send(address, size);
}
std::uint64_t Netlink::Poll() {
  return Word(abi::kWritable | (NextSize() != 0 ? abi::kReadable : 0));
}

}  // namespace k42::personality
