// A damaged address out of the store must not reach UCX, which would end the process.
#include "interconnect/ucx_address.h"

#include <gtest/gtest.h>

#include "unit/interconnect/test_fabric.h"

namespace k42::interconnect {
namespace {

TEST(UcxAddress, OnlyAWholeOneIsTaken) {
  const std::vector<std::uint8_t> address = {1, 2, 0xfe, 0};
  const std::string text = PrintUcxAddress(address);
  EXPECT_EQ(ParseUcxAddress(text), address);
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_TRUE(ParseUcxAddress(text.substr(0, i)).empty());
    for (char c : {'0', '7', 'f', 'F', 'x', '\0'}) {
      std::string damaged = text;
      damaged[i] = c;
      EXPECT_EQ(ParseUcxAddress(damaged).empty(), damaged != text);
    }
  }
  EXPECT_TRUE(ParseUcxAddress(text + text).empty());
}

TEST(UcxAddress, ADamagedOneIsNotReached) {
  TestFabric fabric(MakeUcxKind(), 2);
  PeerInfo peer = TestFabric::InfoOf(fabric.node(2));
  for (std::size_t i = 0; i < peer.address.size(); i += 9) {
    PeerInfo damaged = peer;
    damaged.id.incarnation = 1000 + i;  // not met yet
    damaged.address[i] = damaged.address[i] == '1' ? '2' : '1';
    fabric.node(1).AddPeer(damaged);
    Request request;
    request.peer = damaged.id;
    request.local_offset = fabric.node(1).data();
    request.length = 8;
    request.deadline_ns = fabric.kind().clock().NowNs() + 2'000'000;
    const Completion end = fabric.Run(1, request);
    EXPECT_EQ(end.outcome, Outcome::kNotSent);
    EXPECT_EQ(end.status, Status::kTimedOut);
  }
}

}  // namespace
}  // namespace k42::interconnect
