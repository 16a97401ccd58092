// RDMA devices as they are listed, against what the kernel says; with K42_RDMA_DEVICE ("rxe0:1",
// tests/cluster/rdma_test.py) that port in full.
#include "interconnect/devices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

namespace k42::interconnect {
namespace {

TEST(Devices, AreThoseOfTheKernel) {
  std::set<std::string> expected;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/infiniband", none))
    expected.insert(entry.path().filename());
  std::set<std::string> listed;
  for (const DevicePort& port : ListDevices()) listed.insert(port.device);
  EXPECT_EQ(listed, expected);
}

TEST(Devices, ThePortUnderTestIsActiveWithAddressesAndCounters) {
  const char* wanted = getenv("K42_RDMA_DEVICE");
  if (wanted == nullptr)
    GTEST_SKIP() << "no device named";
  const std::vector<DevicePort> ports = ListDevices();
  const auto port = std::ranges::find_if(ports, [&](const DevicePort& one) {
    return one.device + ":" + std::to_string(one.port) == wanted;
  });
  ASSERT_NE(port, ports.end());
  EXPECT_EQ(port->state, "active");
  EXPECT_EQ(port->link, "ethernet");
  EXPECT_GE(port->mtu, 256u);
  EXPECT_NE(std::ranges::find(port->gids, "::ffff:10.77.0.1"), port->gids.end());
  EXPECT_TRUE(port->counters.contains("sent_pkts"));
}

}  // namespace
}  // namespace k42::interconnect
