// The network interfaces a node shows: `lo` and `fab0`, the fabric between nodes.
#pragma once

#include <cstdint>

namespace k42::personality {

struct Interface {
  char name[16];
  std::uint32_t index;
  std::uint32_t flags;    // IFF_...
  std::uint32_t address;  // host order
  std::uint32_t netmask;
  std::uint32_t prefix;
  std::uint32_t mtu;
  std::uint16_t type;  // ARPHRD_...
  unsigned char hardware[6];
};

inline constexpr std::uint32_t kInterfaceCount = 2;

// Up, broadcast, loopback, running, multicast, lower layer up.
inline constexpr std::uint32_t kIffUp = 1, kIffBroadcast = 2, kIffLoopback = 8, kIffRunning = 0x40,
                               kIffMulticast = 0x1000, kIffLowerUp = 0x10000;

// Both, lo first. A node outside a cluster (number 0) has lo only: returns how many.
std::uint32_t ListInterfaces(Interface interfaces[kInterfaceCount]);

}  // namespace k42::personality
