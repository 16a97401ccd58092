// What an object's name is bound to: written and read back, and everything else refused.
#include "global/object_name.h"

#include <gtest/gtest.h>

#include <string>

namespace k42::global {
namespace {

Digest SomeDigest() {
  Digest digest{};
  for (std::size_t i = 0; i < sizeof digest.bytes; ++i)
    digest.bytes[i] = static_cast<std::uint8_t>(i * 7 + 3);
  return digest;
}

TEST(ObjectName, BindingsAreReadAsTheyWereWritten) {
  const GlobalId id = GlobalId::Make(254, ~std::uint64_t{0}, 0xff'fffe, 0x12'3456);
  const ObjectBinding binding(id, SomeDigest());
  GlobalId back;
  Digest digest{};
  ASSERT_EQ(ParseObjectBinding(binding.text(), &back, &digest), Status::kOk) << binding.text();
  EXPECT_EQ(back, id);
  EXPECT_EQ(digest, SomeDigest());
}

TEST(ObjectName, NothingElseIsABinding) {
  const ObjectBinding binding(GlobalId::Make(3, 77, 16, 0), SomeDigest());
  const std::string good(binding.text());
  GlobalId id;
  Digest digest{};
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_NE(ParseObjectBinding(good.substr(0, size), &id, &digest), Status::kOk) << size;
  EXPECT_NE(ParseObjectBinding(good + "0", &id, &digest), Status::kOk);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char c : {'x', ' ', '/', '\0', '-'}) {
      std::string bad = good;
      if (bad[at] == c)
        continue;
      bad[at] = c;
      EXPECT_NE(ParseObjectBinding(bad, &id, &digest), Status::kOk) << bad;
    }
  }
  const std::string hex = good.substr(good.rfind(' '));
  EXPECT_NE(ParseObjectBinding("65536/1 1/1" + hex, &id, &digest), Status::kOk);
  EXPECT_NE(ParseObjectBinding("1/18446744073709551616 1/1" + hex, &id, &digest), Status::kOk);
  EXPECT_NE(ParseObjectBinding("1/1 16777216/1" + hex, &id, &digest), Status::kOk);
  EXPECT_EQ(ParseObjectBinding("1/1 16777215/1" + hex, &id, &digest), Status::kOk);
}

TEST(ObjectName, Names) {
  EXPECT_TRUE(ValidObjectName("a"));
  EXPECT_TRUE(ValidObjectName("Job_17.left-hand"));
  EXPECT_TRUE(ValidObjectName(std::string(kObjectNameMax, 'x')));
  for (const std::string bad : {"", ".", "..", "a/b", "a b", "a\n", "\xc3\xa4"})
    EXPECT_FALSE(ValidObjectName(bad)) << bad;
  EXPECT_FALSE(ValidObjectName(std::string(kObjectNameMax + 1, 'x')));
  EXPECT_EQ(ObjectPath("counter", "x").text(), "objects/counter/x");
}

}  // namespace
}  // namespace k42::global
