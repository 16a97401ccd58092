#include "user/linux/socket_address.h"

#include <cstring>

#include "user/linux/abi_errno.h"
#include "user/linux/user_memory.h"

namespace k42::personality {

std::int64_t AddressFromLinux(const void* bytes, std::uint32_t size, io::SocketAddress* address) {
  *address = {};
  std::uint16_t family = 0;
  if (size < sizeof(family)) {
    return -kEINVAL;
  }
  std::memcpy(&family, bytes, sizeof(family));
  switch (family) {
    case kAfUnspec:
      address->family = io::SocketFamily::kNone;
      return 0;
    case kAfInet: {
      LinuxSockAddrIn in;
      if (size < sizeof(in)) {
        return -kEINVAL;
      }
      std::memcpy(&in, bytes, sizeof(in));
      address->family = io::SocketFamily::kInternet;
      address->port = SwapBytes16(in.port);
      address->internet = SwapBytes32(in.address);
      return 0;
    }
    case kAfUnix: {
      if (size > sizeof(LinuxSockAddrUn)) {
        return -kEINVAL;
      }
      const char* path = static_cast<const char*>(bytes) + sizeof(family);
      std::uint32_t length = size - static_cast<std::uint32_t>(sizeof(family));
      if (length > 0 && path[0] != 0) {  // a file name ends at its zero byte, if it has one
        std::uint32_t end = 0;
        while (end < length && path[end] != 0) {
          ++end;
        }
        length = end;
      }
      address->family = io::SocketFamily::kLocal;
      address->name_size = length;
      std::memcpy(address->name, path, length);
      return 0;
    }
    default:
      return -kEAFNOSUPPORT;
  }
}

std::uint32_t AddressToLinux(const io::SocketAddress& address, void* bytes) {
  if (address.family == io::SocketFamily::kInternet) {
    LinuxSockAddrIn in{};
    in.family = kAfInet;
    in.port = SwapBytes16(address.port);
    in.address = SwapBytes32(address.internet);
    std::memcpy(bytes, &in, sizeof(in));
    return sizeof(in);
  }
  LinuxSockAddrUn un{};
  un.family = kAfUnix;
  const std::uint32_t size = address.name_size <= sizeof(un.path)
                                 ? address.name_size
                                 : static_cast<std::uint32_t>(sizeof(un.path));
  std::memcpy(un.path, address.name, size);
  std::memcpy(bytes, &un, sizeof(un));
  // A path is given back with its end mark, as far as there is room for one.
  const bool path = size > 0 && un.path[0] != 0 && size < sizeof(un.path);
  return static_cast<std::uint32_t>(offsetof(LinuxSockAddrUn, path)) + size + (path ? 1 : 0);
}

std::int64_t ReadSocketAddress(std::uint64_t where, std::uint32_t size,
                               io::SocketAddress* address) {
  char bytes[kSockAddrMax] = {};
  if (size > sizeof(bytes)) {
    return -kEINVAL;
  }
  if (!CopyIn(bytes, where, size)) {
    return -kEFAULT;
  }
  return AddressFromLinux(bytes, size, address);
}

std::int64_t StoreAddressIn(const io::SocketAddress& address, std::uint64_t where,
                            std::uint32_t room) {
  char bytes[kSockAddrMax] = {};
  const std::uint32_t size = AddressToLinux(address, bytes);
  if (!CopyOut(where, bytes, size < room ? size : room)) {
    return -kEFAULT;
  }
  return size;
}

std::int64_t StoreSocketAddress(const io::SocketAddress& address, std::uint64_t where,
                                std::uint64_t size_where) {
  std::int32_t room = 0;
  if (!ReadUser(&room, size_where)) {
    return -kEFAULT;
  }
  if (room < 0) {
    return -kEINVAL;
  }
  const std::int64_t size = StoreAddressIn(address, where, static_cast<std::uint32_t>(room));
  if (size < 0) {
    return size;
  }
  return WriteUser(size_where, static_cast<std::uint32_t>(size)) ? 0 : -kEFAULT;
}

}  // namespace k42::personality
