// ioctl: terminals, byte counts, and what MPI libraries ask about network interfaces.
#include <cstring>

#include "user/linux/abi_sockets.h"
#include "user/linux/call_support.h"
#include "user/linux/interfaces.h"
#include "user/linux/terminal.h"

namespace k42::personality {
namespace {

constexpr std::uint32_t kFioClex = 0x5451, kFioNClex = 0x5450, kFioNRead = 0x541b,
                        kFioNbio = 0x5421, kFioAsync = 0x5452, kTiocOutq = 0x5411;
constexpr std::uint32_t kSiocGifName = 0x8910, kSiocGifConf = 0x8912, kSiocGifFlags = 0x8913,
                        kSiocGifAddr = 0x8915, kSiocGifDstAddr = 0x8917, kSiocGifBrdAddr = 0x8919,
                        kSiocGifNetmask = 0x891b, kSiocGifMetric = 0x891d, kSiocGifMtu = 0x8921,
                        kSiocGifHwAddr = 0x8927, kSiocGifIndex = 0x8933, kSiocGifTxqLen = 0x8942,
                        kSiocEthtool = 0x8946;

struct InterfaceRequest {  // struct ifreq
  char name[16];
  union {
    LinuxSockAddrIn address;
    std::int32_t number;
    std::int16_t flags;
    unsigned char bytes[24];
  };
};
static_assert(sizeof(InterfaceRequest) == 40);

struct InterfaceList {  // struct ifconf
  std::int32_t size, pad;
  std::uint64_t requests;
};

LinuxSockAddrIn Internet(std::uint32_t address) {
  LinuxSockAddrIn in{};
  in.family = kAfInet;
  in.address = SwapBytes32(address);
  return in;
}

std::int64_t ListConfigured(std::uint64_t argument) {
  InterfaceList list;
  if (!ReadUser(&list, argument)) {
    return -kEFAULT;
  }
  Interface interfaces[kInterfaceCount];
  const std::uint32_t count = ListInterfaces(interfaces);
  std::int32_t stored = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    InterfaceRequest entry{};
    std::memcpy(entry.name, interfaces[i].name, sizeof(entry.name));
    entry.address = Internet(interfaces[i].address);
    const auto size = static_cast<std::int32_t>(sizeof(entry));
    if (list.requests != 0) {
      if (stored + size > list.size) {
        break;
      }
      if (!WriteUser(list.requests + static_cast<std::uint64_t>(stored), entry)) {
        return -kEFAULT;
      }
    }
    stored += size;
  }
  list.size = stored;
  return WriteUser(argument, list) ? 0 : -kEFAULT;
}

bool SameName(const char* one, const char* other) {
  const std::size_t size = std::strlen(one);
  return size == std::strlen(other) && std::memcmp(one, other, size) == 0;
}

std::int64_t AboutInterface(std::uint32_t request, std::uint64_t argument) {
  InterfaceRequest asked;
  if (!ReadUser(&asked, argument)) {
    return -kEFAULT;
  }
  asked.name[sizeof(asked.name) - 1] = 0;
  Interface interfaces[kInterfaceCount];
  const std::uint32_t count = ListInterfaces(interfaces);
  const Interface* found = nullptr;
  for (std::uint32_t i = 0; i < count; ++i) {
    const bool match = request == kSiocGifName
                           ? interfaces[i].index == static_cast<std::uint32_t>(asked.number)
                           : SameName(interfaces[i].name, asked.name);
    found = match ? &interfaces[i] : found;
  }
  if (!found) {
    return -kENODEV;
  }
  switch (request) {
    case kSiocGifName:
      std::memcpy(asked.name, found->name, sizeof(asked.name));
      break;
    case kSiocGifFlags:
      asked.flags = static_cast<std::int16_t>(found->flags);
      break;
    case kSiocGifAddr:
    case kSiocGifDstAddr:
      asked.address = Internet(found->address);
      break;
    case kSiocGifBrdAddr:
      asked.address = Internet(found->index == 1 ? 0 : found->address | ~found->netmask);
      break;
    case kSiocGifNetmask:
      asked.address = Internet(found->netmask);
      break;
    case kSiocGifMetric:
      asked.number = 0;
      break;
    case kSiocGifTxqLen:
      asked.number = 1000;
      break;
    case kSiocGifMtu:
      asked.number = static_cast<std::int32_t>(found->mtu);
      break;
    case kSiocGifIndex:
      asked.number = static_cast<std::int32_t>(found->index);
      break;
    case kSiocGifHwAddr: {
      std::memset(asked.bytes, 0, sizeof(asked.bytes));
      std::memcpy(asked.bytes, &found->type, sizeof(found->type));
      std::memcpy(asked.bytes + 2, found->hardware, sizeof(found->hardware));
      break;
    }
    default:
      return -kEINVAL;
  }
  return WriteUser(argument, asked) ? 0 : -kEFAULT;
}

std::int64_t ByteCount(KernelFile& file, std::uint32_t operation, std::uint64_t argument) {
  std::uint64_t count = 0;
  const Result<std::uint64_t> counted =
      kernel::Control(file.handle(), operation, nullptr, 0, nullptr, 0);
  if (counted.ok()) {
    count = counted.value();
  } else {
    // A file: what is left to its end.
    fs::FileAttributes attributes{};
    const Result<std::uint64_t> position = kernel::Seek(file.handle(), 0, fs::SeekFrom::kCurrent);
    if (operation != io::kControlBytesReadable || !position.ok() ||
        kernel::GetFileAttributes(file.handle(), &attributes) != Status::kOk) {
      return -kENOTTY;
    }
    count = attributes.size > position.value() ? attributes.size - position.value() : 0;
  }
  return WriteUser(argument, static_cast<std::int32_t>(count)) ? 0 : -kEFAULT;
}

}  // namespace

namespace calls {

Reply Ioctl(Thread& thread, U32 fd, U32 request, Address argument) {
  DescriptionRef description = Descriptor(thread, fd);
  if (!description || (description->linux_flags() & kO_PATH) != 0) {
    return -kEBADF;
  }
  switch (request) {
    case kFioClex:
      thread.task->files->set_close_on_exec(fd, true);
      return 0;
    case kFioNClex:
      thread.task->files->set_close_on_exec(fd, false);
      return 0;
    case kFioAsync:
      return 0;
    case kFioNbio: {
      I32 on = 0;
      if (!ReadUser(&on, argument)) {
        return -kEFAULT;
      }
      const U32 flags = description->linux_flags();
      return Fcntl(thread, fd, kF_SETFL, on ? flags | kO_NONBLOCK : flags & ~kO_NONBLOCK);
    }
    default:
      break;
  }
  KernelFile* file = description.file();
  if (!file) {
    return -kENOTTY;
  }
  if (file->is_socket && (request & 0xff00) == 0x8900) {
    switch (request) {
      case kSiocGifConf:
        return ListConfigured(argument);
      case kSiocEthtool:
        return -kEOPNOTSUPP;
      default:
        return AboutInterface(request, argument);
    }
  }
  if (request == kFioNRead) {
    return ByteCount(*file, io::kControlBytesReadable, argument);
  }
  if (request == kTiocOutq) {
    return ByteCount(*file, io::kControlBytesUnsent, argument);
  }
  return TerminalIoctl(thread, *file, request, argument);
}

}  // namespace calls
}  // namespace k42::personality
