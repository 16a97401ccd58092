// The closed list of what a node's programs reach outside.
#include "cluster-services/offload/targets.h"

#include <gtest/gtest.h>

namespace k42::offload {
namespace {

constexpr std::uint32_t Ip(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

Result<Target> At(std::uint32_t internet, std::uint16_t port) {
  return TargetOf({internet, port, 0}, {{Ip(127, 0, 0, 1), 2379}, {Ip(192, 0, 2, 9), 2380}});
}

TEST(Targets, TheHost) {
  EXPECT_EQ(abi::kOffloadHost, Ip(10, 42, 255, 254));
  const auto web = At(abi::kOffloadHost, 8000);
  ASSERT_TRUE(web.ok());
  EXPECT_FALSE(web.value().control);
  EXPECT_EQ(web.value().internet, Ip(127, 0, 0, 1));
  EXPECT_EQ(web.value().port, 8000);
  EXPECT_TRUE(At(abi::kOffloadHost, abi::kOffloadControlPort).value().control);
  EXPECT_EQ(At(abi::kOffloadHost, 2379).status(), Status::kConnectionRefused);
}

TEST(Targets, Outside) {
  const auto far = At(Ip(192, 0, 2, 7), 2379);
  ASSERT_TRUE(far.ok());
  EXPECT_FALSE(far.value().control);
  EXPECT_EQ(far.value().internet, Ip(192, 0, 2, 7));
  EXPECT_EQ(far.value().port, 2379);
  EXPECT_TRUE(At(Ip(10, 43, 0, 1), 1).ok());
  EXPECT_FALSE(At(Ip(192, 0, 2, 7), abi::kOffloadControlPort).value().control);
}

// A lab's store, which listens on the hosts' addresses.
TEST(Targets, DeniedWhereverItIs) {
  EXPECT_EQ(At(Ip(192, 0, 2, 9), 2380).status(), Status::kConnectionRefused);
  EXPECT_TRUE(At(Ip(192, 0, 2, 9), 2379).ok());
  EXPECT_TRUE(At(abi::kOffloadHost, 2380).ok());  // another address
}

TEST(Targets, WordsOfDenial) {
  EXPECT_EQ(ParseDenied("2379").value(), (Denied{Ip(127, 0, 0, 1), 2379}));
  EXPECT_EQ(ParseDenied("192.0.2.9:2380").value(), (Denied{Ip(192, 0, 2, 9), 2380}));
  for (const char* bad : {"", "0", "70000", "2379x", ":2379", "host:2379", "192.0.2:1",
                          "1.2.3.4:", "1.2.3.4:0", "-1"})
    EXPECT_EQ(ParseDenied(bad).status(), Status::kInvalidArgument) << bad;
}

TEST(Targets, Nowhere) {
  for (const std::uint32_t address :
       {Ip(127, 0, 0, 1), Ip(127, 255, 0, 1), Ip(0, 0, 0, 0), Ip(10, 42, 0, 1), Ip(10, 42, 255, 1),
        Ip(169, 254, 169, 254), Ip(224, 0, 0, 1), Ip(255, 255, 255, 255)})
    EXPECT_EQ(At(address, 80).status(), Status::kUnreachable) << std::hex << address;
  EXPECT_EQ(At(Ip(192, 0, 2, 7), 0).status(), Status::kConnectionRefused);
}

}  // namespace
}  // namespace k42::offload
