#include "base/format.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace k42 {
namespace {

template <typename... Args>
std::string Text(FormatFor<Args...> format, const Args&... args) {
  char buffer[200];
  const std::size_t size = Format<Args...>(buffer, format, args...);
  return std::string(buffer, std::min(size, sizeof(buffer)));
}

TEST(Format, NaturalForms) {
  EXPECT_EQ(Text("{} {} {}", 0u, -7, 'c'), "0 -7 c");
  EXPECT_EQ(Text("{} {}", true, "text"), "true text");
  EXPECT_EQ(Text("{}", std::string_view("view")), "view");
  EXPECT_EQ(Text("{}", static_cast<const char*>(nullptr)), "(null)");
  EXPECT_EQ(Text("{}", Status::kNotFound), "kNotFound");
  EXPECT_EQ(Text("{}", reinterpret_cast<void*>(0xabcd)), "0x000000000000abcd");
}

TEST(Format, Extremes) {
  EXPECT_EQ(Text("{}", std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(Text("{}", std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(Text("{x}", std::numeric_limits<std::uint64_t>::max()), "0xffffffffffffffff");
}

TEST(Format, HexadecimalAndWidth) {
  EXPECT_EQ(Text("{x} {x8}", 0xbeefu, 0xbeefu), "0xbeef 0x0000beef");
  EXPECT_EQ(Text("[{5}] [{5}]", 42, -42), "[   42] [  -42]");
  EXPECT_EQ(Text("[{5}]", "ab"), "[ab   ]");
  EXPECT_EQ(Text("{2}", 12345), "12345");
}

TEST(Format, BracesThemselves) {
  EXPECT_EQ(Text("{{{}}}", 1), "{1}");
}

TEST(Format, CutTextReportsItsWholeSize) {
  char buffer[4] = {'x', 'x', 'x', 'x'};
  EXPECT_EQ(Format(std::span<char>(buffer, 3), "{}", 123456), 6u);
  EXPECT_EQ(std::string(buffer, 4), "123x");
}

}  // namespace
}  // namespace k42
