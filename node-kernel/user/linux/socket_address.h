// Socket addresses between Linux's layouts and io/socket.idl's.
#pragma once

#include <cstdint>

#include "io/socket.types.h"
#include "user/linux/abi_sockets.h"

namespace k42::personality {

inline constexpr std::uint32_t kSockAddrMax = 128;

// Pure: from `size` bytes as the program gave them. 0 or a negative error number.
std::int64_t AddressFromLinux(const void* bytes, std::uint32_t size, io::SocketAddress* address);
// Pure: the bytes Linux would give; returns their number. `bytes` holds kSockAddrMax.
std::uint32_t AddressToLinux(const io::SocketAddress& address, void* bytes);

// Reads an address argument.
std::int64_t ReadSocketAddress(std::uint64_t where, std::uint32_t size, io::SocketAddress* address);
// Stores an address result: as much as fits, and the whole size at `size_where`.
std::int64_t StoreSocketAddress(const io::SocketAddress& address, std::uint64_t where,
                                std::uint64_t size_where);
// For msghdr: the room is given, the whole size returned.
std::int64_t StoreAddressIn(const io::SocketAddress& address, std::uint64_t where,
                            std::uint32_t room);

}  // namespace k42::personality
