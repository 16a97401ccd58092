#include "interconnect/devices.h"

#include <arpa/inet.h>
#include <infiniband/verbs.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

namespace k42::interconnect {
namespace {

std::string NameOf(ibv_port_state state) {
  std::string name = ibv_port_state_str(state);  // PORT_ACTIVE
  if (name.starts_with("PORT_"))
    name.erase(0, 5);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

std::vector<std::string> GidsOf(ibv_context& context, std::uint8_t port, int count) {
  std::vector<std::string> gids;
  for (int index = 0; index < count; ++index) {
    ibv_gid gid{};
    if (ibv_query_gid(&context, port, index, &gid) != 0 ||
        (gid.global.subnet_prefix == 0 && gid.global.interface_id == 0))
      continue;
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(AF_INET6, gid.raw, text, sizeof text);
    gids.emplace_back(text);
  }
  return gids;
}

// libibverbs has no call for them.
std::map<std::string, std::uint64_t> CountersOf(const ibv_device& device, std::uint8_t port) {
  std::map<std::string, std::uint64_t> counters;
  const std::filesystem::path ports = std::filesystem::path(device.ibdev_path) / "ports";
  for (const char* folder : {"counters", "hw_counters"}) {
    std::error_code none;
    for (const auto& entry :
         std::filesystem::directory_iterator(ports / std::to_string(port) / folder, none)) {
      std::uint64_t value = 0;
      if (std::ifstream(entry.path()) >> value)  // not every driver has every one
        counters[entry.path().filename()] = value;
    }
  }
  return counters;
}

}  // namespace

std::vector<DevicePort> ListDevices() {
  std::vector<DevicePort> ports;
  int count = 0;
  const std::unique_ptr<ibv_device*[], decltype(&ibv_free_device_list)> devices(
      ibv_get_device_list(&count), ibv_free_device_list);
  for (int i = 0; devices != nullptr && i < count; ++i) {
    const std::unique_ptr<ibv_context, decltype(&ibv_close_device)> context(
        ibv_open_device(devices[i]), ibv_close_device);
    ibv_device_attr device{};
    if (context == nullptr || ibv_query_device(context.get(), &device) != 0)
      continue;
    for (std::uint8_t number = 1; number <= device.phys_port_cnt; ++number) {
      ibv_port_attr attributes{};
      if (ibv_query_port(context.get(), number, &attributes) != 0)
        continue;
      constexpr std::uint32_t kSmallestMtu = 128;  // IBV_MTU_256 is 1
      ports.push_back({ibv_get_device_name(devices[i]), number, NameOf(attributes.state),
                       attributes.link_layer == IBV_LINK_LAYER_ETHERNET ? "ethernet" : "infiniband",
                       kSmallestMtu << attributes.active_mtu,
                       GidsOf(*context, number, attributes.gid_tbl_len),
                       CountersOf(*devices[i], number)});
    }
  }
  return ports;
}

}  // namespace k42::interconnect
