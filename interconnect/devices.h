// The RDMA devices of this host, as libibverbs lists them: ports, link state, addresses. Empty
// where there are none; UCX then goes over TCP.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace k42::interconnect {

struct DevicePort {
  std::string device;
  std::uint32_t port = 0;
  std::string state;  // "active", "down", ...
  std::string link;   // "ethernet", "infiniband"
  std::uint32_t mtu = 0;
  std::vector<std::string> gids;  // those that are set, as they are written
};

std::vector<DevicePort> ListDevices();

}  // namespace k42::interconnect
