// Sockets as Linux x86-64 numbers and lays them out.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::personality {

inline constexpr std::uint32_t kAfUnspec = 0, kAfUnix = 1, kAfInet = 2, kAfInet6 = 10,
                               kAfNetlink = 16;
inline constexpr std::uint32_t kSockStream = 1, kSockDgram = 2, kSockRaw = 3, kSockSeqPacket = 5,
                               kSockTypeMask = 0xf, kSockNonBlock = 04000, kSockCloExec = 02000000;
inline constexpr std::uint32_t kMsgOob = 1, kMsgPeek = 2, kMsgDontRoute = 4, kMsgCtrunc = 8,
                               kMsgTrunc = 0x20, kMsgDontWait = 0x40, kMsgEor = 0x80,
                               kMsgWaitAll = 0x100, kMsgErrQueue = 0x2000, kMsgNoSignal = 0x4000,
                               kMsgMore = 0x8000, kMsgWaitForOne = 0x10000,
                               kMsgCmsgCloExec = 0x40000000;
inline constexpr std::uint32_t kSolIp = 0, kSolSocket = 1, kSolTcp = 6, kSolIpv6 = 41,
                               kSolNetlink = 270;
inline constexpr std::uint32_t kScmRights = 1, kScmCredentials = 2;

struct LinuxSockAddrIn {
  std::uint16_t family;
  std::uint16_t port;     // network order
  std::uint32_t address;  // network order
  unsigned char zero[8];
};
static_assert(sizeof(LinuxSockAddrIn) == 16);

struct LinuxSockAddrUn {
  std::uint16_t family;
  char path[108];
};
static_assert(sizeof(LinuxSockAddrUn) == 110);

struct LinuxSockAddrNl {
  std::uint16_t family, pad;
  std::uint32_t pid, groups;
};

struct LinuxMsgHdr {
  std::uint64_t name;
  std::uint32_t name_size, pad0;
  std::uint64_t vector, vector_count;
  std::uint64_t control, control_size;
  std::uint32_t flags, pad1;
};
static_assert(sizeof(LinuxMsgHdr) == 56);

struct LinuxMMsgHdr {
  LinuxMsgHdr header;
  std::uint32_t size, pad;
};
static_assert(sizeof(LinuxMMsgHdr) == 64);

struct LinuxCmsgHdr {
  std::uint64_t size;
  std::uint32_t level, type;
};
static_assert(sizeof(LinuxCmsgHdr) == 16);

struct LinuxUcred {
  std::int32_t pid;
  std::uint32_t uid, gid;
};

struct LinuxLinger {
  std::int32_t on, seconds;
};

constexpr std::uint16_t SwapBytes16(std::uint16_t value) {
  return __builtin_bswap16(value);
}
constexpr std::uint32_t SwapBytes32(std::uint32_t value) {
  return __builtin_bswap32(value);
}

}  // namespace k42::personality
