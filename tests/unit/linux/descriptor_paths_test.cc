#include "user/linux/descriptor_paths.h"

#include <gtest/gtest.h>

#include <string>

namespace k42::personality {
namespace {

using Form = DescriptorPath::Form;
constexpr std::int32_t kSelf = 17;

DescriptorPath Parsed(const std::string& path) {
  return ParseDescriptorPath(path.c_str(), path.size(), kSelf);
}

TEST(DescriptorPaths, EntriesByAllTheirNames) {
  for (const char* path : {"/proc/self/fd/5", "/dev/fd/5", "/proc/17/fd/5", "//proc//self/fd///5",
                           "/proc/thread-self/fd/5", "/proc/self/task/19/fd/5"}) {
    const DescriptorPath parsed = Parsed(path);
    EXPECT_EQ(parsed.form, Form::kEntry) << path;
    EXPECT_EQ(parsed.fd, 5u) << path;
    EXPECT_EQ(parsed.pid, kSelf) << path;
    EXPECT_FALSE(parsed.alias || parsed.goes_on) << path;
  }
  EXPECT_EQ(Parsed("/proc/18/fd/5").pid, 18);
}

TEST(DescriptorPaths, StreamsAreLinksInDev) {
  EXPECT_EQ(Parsed("/dev/stdin").fd, 0u);
  EXPECT_EQ(Parsed("/dev/stderr").fd, 2u);
  EXPECT_TRUE(Parsed("/dev/stdout").alias);
  EXPECT_TRUE(Parsed("/dev/fd").alias);
  EXPECT_EQ(Parsed("/dev/fd").form, Form::kFolder);
  EXPECT_FALSE(Parsed("/dev/fd/").alias);
  EXPECT_EQ(Parsed("/dev/stdinx").form, Form::kNone);
}

TEST(DescriptorPaths, PathsThatGoOn) {
  const std::string path = "/proc/self/fd/12//a/b";
  const DescriptorPath parsed = Parsed(path);
  EXPECT_TRUE(parsed.goes_on);
  EXPECT_EQ(path.substr(parsed.rest), "a/b");
  EXPECT_EQ(Parsed("/dev/fd/3/").rest, 10u);
}

TEST(DescriptorPaths, OtherNames) {
  for (const char* path : {"", "/", "/proc", "/proc/self", "/proc/self/fdinfo/3", "/proc/x/fd/3",
                           "proc/self/fd/3", "/dev/null", "/devs/fd/3", "/proc/self/fd/.."}) {
    EXPECT_NE(Parsed(path).form, Form::kFolder) << path;
    EXPECT_TRUE(Parsed(path).form == Form::kNone || Parsed(path).fd == DescriptorPath::kNoNumber)
        << path;
  }
  EXPECT_EQ(Parsed("/proc/self/fd/3x").fd, DescriptorPath::kNoNumber);
  EXPECT_EQ(Parsed("/proc/self/fd/99999999999999999999").fd, DescriptorPath::kNoNumber);
}

TEST(DescriptorPaths, WithinTheFolder) {
  EXPECT_EQ(ParseDescriptorEntry("7", 1, kSelf).fd, 7u);
  EXPECT_EQ(ParseDescriptorEntry(".", 1, kSelf).form, Form::kFolder);
  EXPECT_EQ(ParseDescriptorEntry("7/x", 3, kSelf).rest, 2u);
}

}  // namespace
}  // namespace k42::personality
