// Counts of system calls that programs asked for in vain: by number and program, within bounds.
#include "proc/unserved_calls.h"

#include <gtest/gtest.h>

#include <string>

namespace k42::proc {
namespace {

TEST(UnservedCalls, CountsByNumberAndProgram) {
  UnservedCalls calls;
  for (int i = 0; i < 3; ++i) calls.Note(101, "/usr/bin/strace");
  calls.Note(101, "/usr/bin/gdb");
  calls.Note(64, "/usr/bin/gdb");
  UnservedCalls::Row row;
  ASSERT_TRUE(calls.Get(0, &row));
  EXPECT_EQ(row.count, 3u);
  EXPECT_EQ(row.number, 101u);
  EXPECT_EQ(row.program_text(), "/usr/bin/strace");
  ASSERT_TRUE(calls.Get(2, &row));
  EXPECT_EQ(row.number, 64u);
  EXPECT_FALSE(calls.Get(3, &row));
  EXPECT_EQ(calls.others(), 0u);
}

TEST(UnservedCalls, KeepsTheEndOfLongPaths) {
  UnservedCalls calls;
  const std::string path = std::string(100, 'a') + "/program";
  calls.Note(1, path);
  UnservedCalls::Row row;
  ASSERT_TRUE(calls.Get(0, &row));
  EXPECT_EQ(row.program_text(), path.substr(path.size() - UnservedCalls::kProgram));
}

TEST(UnservedCalls, NoNameLooksLikeAnotherRow) {
  UnservedCalls calls;
  calls.Note(1, "/bin/a b\n7 59 /bin/login\x1b[2J\\\xc3");
  UnservedCalls::Row row;
  ASSERT_TRUE(calls.Get(0, &row));
  EXPECT_EQ(row.program_text(), "/bin/a\\x20b\\x0a7\\x2059\\x20/bin/login\\x1b[2J\\x5c\\xc3");
  calls.Note(1, std::string(UnservedCalls::kProgram, '\n'));
  ASSERT_TRUE(calls.Get(1, &row));
  EXPECT_EQ(row.program_text().size(), UnservedCalls::kProgram);
  EXPECT_EQ(row.program_text().find('\n'), std::string_view::npos);
}

TEST(UnservedCalls, WhatFindsNoRowIsCountedTogether) {
  UnservedCalls calls;
  for (std::uint32_t number = 0; number < UnservedCalls::kRows + 10; ++number)
    calls.Note(number, "p");
  calls.Note(0, "p");
  UnservedCalls::Row row;
  ASSERT_TRUE(calls.Get(0, &row));
  EXPECT_EQ(row.count, 2u);
  EXPECT_FALSE(calls.Get(UnservedCalls::kRows, &row));
  EXPECT_EQ(calls.others(), 10u);
}

}  // namespace
}  // namespace k42::proc
