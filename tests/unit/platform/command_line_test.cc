#include "platform/x86_64/shared/command_line.h"

#include <gtest/gtest.h>

namespace k42::machine {
namespace {

TEST(CommandLine, KeysAndValues) {
  const CommandLine line("exit  init=/bin/sh\tnode=3 log=");
  EXPECT_EQ(line.Find("exit"), "");
  EXPECT_EQ(line.Find("init"), "/bin/sh");
  EXPECT_EQ(line.Find("node"), "3");
  EXPECT_EQ(line.Find("log"), "");
  EXPECT_EQ(line.Find("nod"), std::nullopt);
}

TEST(CommandLine, LastOneCounts) {
  EXPECT_EQ(CommandLine("a=1 b a=2").Find("a"), "2");
}

TEST(CommandLine, Quotes) {
  EXPECT_EQ(CommandLine("x=\"two words\" y=1").Find("x"), "two words");
  EXPECT_EQ(CommandLine("x=\"two words\" y=1").Find("y"), "1");
  EXPECT_EQ(CommandLine("x=\"never closed").Find("x"), "never closed");
}

TEST(CommandLine, ValueMayContainEquals) {
  EXPECT_EQ(CommandLine("a=b=c").Find("a"), "b=c");
}

TEST(CommandLine, EmptyAndBlank) {
  EXPECT_EQ(CommandLine("").Find(""), std::nullopt);
  EXPECT_EQ(CommandLine("   ").Find(""), std::nullopt);
}

}  // namespace
}  // namespace k42::machine
