// The RDMA devices of this host, as libibverbs lists them: ports, link state, addresses, and the
// kernel's counters beside them. Empty where there are none; UCX then goes over TCP.
#pragma once

#include <cstdint>
#include <map>
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
  // What the port's driver counts, by its names: port_rcv_data (in words of four bytes),
  // sent_pkts...
  std::map<std::string, std::uint64_t> counters;
};

std::vector<DevicePort> ListDevices();

}  // namespace k42::interconnect
