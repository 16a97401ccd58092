// The ELF head of programs, also hostile ones: never a crash, never a wrong mapping.
#include "user/linux/elf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "abi/dispatcher_page.h"
#include "proc/process.types.h"

namespace k42::personality {
namespace {

using Bytes = std::vector<unsigned char>;

struct Segment {
  std::uint32_t type, flags;
  std::uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

Bytes MakeElf(const std::vector<Segment>& segments, std::uint16_t type = 3) {
  Bytes bytes(4096);
  const unsigned char ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  std::memcpy(bytes.data(), ident, sizeof(ident));
  const std::uint16_t machine = 62, header_size = 64, entry_size = 56;
  const auto count = static_cast<std::uint16_t>(segments.size());
  const std::uint64_t entry = 0x1040, table = 64;
  std::memcpy(&bytes[16], &type, 2);
  std::memcpy(&bytes[18], &machine, 2);
  std::memcpy(&bytes[24], &entry, 8);
  std::memcpy(&bytes[32], &table, 8);
  std::memcpy(&bytes[52], &header_size, 2);
  std::memcpy(&bytes[54], &entry_size, 2);
  std::memcpy(&bytes[56], &count, 2);
  std::memcpy(&bytes[64], segments.data(), segments.size() * sizeof(Segment));
  return bytes;
}

const std::vector<Segment> kGood = {
    {1, 4, 0, 0, 0, 0x600, 0x600, 0x1000},
    {1, 5, 0x1000, 0x1000, 0, 0x200, 0x200, 0x1000},
    {1, 6, 0x2df0, 0x3df0, 0, 0x220, 0x1000, 0x1000},
    {3, 4, 0x318, 0x318, 0, 0x1c, 0x1c, 1},
};

Status Parse(const Bytes& bytes, ElfProgram* program) {
  return ParseElf(bytes.data(), bytes.size(), program);
}

TEST(Elf, ReadsAMovableProgram) {
  ElfProgram program;
  ASSERT_EQ(Parse(MakeElf(kGood), &program), Status::kOk);
  EXPECT_FALSE(program.fixed);
  EXPECT_EQ(program.entry, 0x1040u);
  EXPECT_EQ(program.segment_count, 3u);
  EXPECT_EQ(program.low, 0u);
  EXPECT_EQ(program.high, 0x5000u);
  EXPECT_EQ(program.headers, 64u);
  EXPECT_EQ(program.interpreter_offset, 0x318u);
  EXPECT_EQ(program.interpreter_size, 0x1cu);
  EXPECT_EQ(program.segments[1].protection, proc::kMapRead | proc::kMapExecute);
}

TEST(Elf, RefusesWhatIsNotOne) {
  ElfProgram program;
  EXPECT_EQ(ParseElf("", 0, &program), Status::kExecFormat);
  Bytes bytes = MakeElf(kGood);
  for (const std::size_t place : {0u, 3u, 4u, 5u, 18u, 54u}) {
    Bytes wrong = bytes;
    wrong[place] ^= 0x55;
    EXPECT_EQ(Parse(wrong, &program), Status::kExecFormat) << place;
  }
  for (std::size_t size = 0; size < 64 + 4 * 56; ++size) {
    EXPECT_EQ(ParseElf(bytes.data(), size, &program), Status::kExecFormat) << size;
  }
  EXPECT_EQ(Parse(MakeElf({}), &program), Status::kExecFormat);
}

TEST(Elf, RefusesSegmentsThatLie) {
  const auto refused = [](auto change) {
    std::vector<Segment> segments = kGood;
    change(segments);
    ElfProgram program;
    return Parse(MakeElf(segments), &program) == Status::kExecFormat;
  };
  EXPECT_TRUE(refused([](auto& s) { s[1].filesz = s[1].memsz + 1; }));
  EXPECT_TRUE(refused([](auto& s) {
    s[1].vaddr = ~0ull - 0x100;
    s[1].offset = 0xeff;
  }));
  EXPECT_TRUE(refused([](auto& s) { s[2].memsz = abi::kUserMapLimit; }));
  EXPECT_TRUE(refused([](auto& s) { s[1].offset += 1; }));
  EXPECT_TRUE(refused([](auto& s) { std::swap(s[0], s[2]); }));
  EXPECT_TRUE(refused([](auto& s) {
    s[1].vaddr = 0;
    s[1].offset = 0;
  }));
  EXPECT_TRUE(refused([](auto& s) { s[1].offset = ~0ull << 12; }));
  EXPECT_TRUE(refused([](auto& s) { s[3].filesz = 1u << 20; }));
  EXPECT_TRUE(refused([](auto& s) { s[3].filesz = 0; }));
}

// Whatever the bytes: a program that is accepted has segments in order and below the limit.
TEST(Elf, SurvivesDamage) {
  std::mt19937_64 random(42);
  const Bytes good = MakeElf(kGood);
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = good;
    for (int i = 0; i < 4; ++i) {
      bytes[random() % (64 + 4 * 56)] = static_cast<unsigned char>(random());
    }
    ElfProgram program;
    if (ParseElf(bytes.data(), random() % bytes.size(), &program) != Status::kOk) {
      continue;
    }
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < program.segment_count; ++i) {
      const ElfSegment& segment = program.segments[i];
      ASSERT_GE(segment.address, end);
      end = segment.address + segment.memory_size;
      ASSERT_LE(end, abi::kUserMapLimit);
      ASSERT_LE(segment.file_size, segment.memory_size);
    }
  }
}

TEST(Script, FindsInterpreterAndArgument) {
  const auto parse = [](const char* text, ScriptLine* line) {
    return ParseScript(text, std::strlen(text), line);
  };
  ScriptLine line;
  ASSERT_EQ(parse("#! /bin/sh -e  -u \nrest", &line), Status::kOk);
  EXPECT_EQ(std::string(line.interpreter, line.interpreter_size), "/bin/sh");
  EXPECT_EQ(std::string(line.argument, line.argument_size), "-e  -u");
  ASSERT_EQ(parse("#!/bin/cat", &line), Status::kOk);
  EXPECT_EQ(line.argument, nullptr);
  EXPECT_EQ(parse("#!   \n", &line), Status::kExecFormat);
  EXPECT_EQ(parse("#", &line), Status::kNotFound);
  EXPECT_EQ(parse("\x7f"
                  "ELF",
                  &line),
            Status::kNotFound);
}

}  // namespace
}  // namespace k42::personality
