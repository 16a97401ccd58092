#include "user/linux/interfaces.h"

#include <cstring>

#include "user/linux/kernel.h"

namespace k42::personality {
namespace {

constexpr std::uint32_t kFabricPrefix = 0x0a2a0000;  // 10.42.0.0/16
constexpr std::uint16_t kTypeEthernet = 1, kTypeLoopback = 772;

}  // namespace

std::uint32_t ListInterfaces(Interface interfaces[kInterfaceCount]) {
  Interface& lo = interfaces[0];
  lo = {};
  std::memcpy(lo.name, "lo", 3);
  lo.index = 1;
  lo.flags = kIffUp | kIffLoopback | kIffRunning | kIffLowerUp;
  lo.address = io::kInternetLoopback;
  lo.netmask = 0xff000000;
  lo.prefix = 8;
  lo.mtu = 65536;
  lo.type = kTypeLoopback;

  proc::NodeInfo node{};
  (void)kernel::GetNode(&node);
  if (node.node == 0) {
    return 1;
  }
  Interface& fabric = interfaces[1];
  fabric = {};
  std::memcpy(fabric.name, "fab0", 5);
  fabric.index = 2;
  fabric.flags = kIffUp | kIffBroadcast | kIffRunning | kIffMulticast | kIffLowerUp;
  fabric.address = kFabricPrefix | (node.node & 0xffff);
  fabric.netmask = 0xffff0000;
  fabric.prefix = 16;
  fabric.mtu = 65520;
  fabric.type = kTypeEthernet;
  // A locally administered address that says which node it is.
  const unsigned char hardware[6] = {0x02,
                                     0x4b,
                                     0x34,
                                     0x32,
                                     static_cast<unsigned char>(node.node >> 8),
                                     static_cast<unsigned char>(node.node)};
  std::memcpy(fabric.hardware, hardware, sizeof(hardware));
  return 2;
}

}  // namespace k42::personality
