// What a method's words are, as a program says: what is accepted, and where things are put.
#include "ipc/call_shape.h"

#include <gtest/gtest.h>

#include <random>

#include "idl/echo.serve.h"
#include "proc/node.serve.h"

namespace k42::ipc {
namespace {

using abi::ServedMethod;
using abi::ServedWord;
using abi::WordKind;

ServedMethod Words(std::initializer_list<std::uint32_t> words, std::uint32_t flags = 0) {
  ServedMethod method;
  method.flags = flags;
  std::copy(words.begin(), words.end(), method.word);
  return method;
}

TEST(CallShape, WhatTheGeneratorWritesIsAccepted) {
  for (const ServedMethod& method : idl::kEchoServed) EXPECT_EQ(CheckShape(method), Status::kOk);
  for (const ServedMethod& method : proc::kNodeServed) EXPECT_EQ(CheckShape(method), Status::kOk);
}

TEST(CallShape, PlainIsWordsAlone) {
  EXPECT_TRUE(IsPlain(Words({})));
  EXPECT_FALSE(IsPlain(Words({0, 0, 0, 0, 0, ServedWord(WordKind::kOut, 8)})));
  EXPECT_FALSE(IsPlain(Words({ServedWord(WordKind::kInBuffer, 8), ServedWord(WordKind::kSize)})));
  EXPECT_FALSE(IsPlain(Words({}, abi::kServedHandle)));
}

TEST(CallShape, Refused) {
  const std::uint32_t in = ServedWord(WordKind::kInBuffer, 8);
  const std::uint32_t out = ServedWord(WordKind::kOutBuffer, 8);
  const std::uint32_t size = ServedWord(WordKind::kSize);
  EXPECT_EQ(CheckShape(Words({in, size, out, size})), Status::kOk);
  for (const ServedMethod& bad : {
           Words({in}),
           Words({size}),
           Words({in, 0}),
           Words({in, size, size}),
           Words({0, 0, 0, 0, 0, in}),
           Words({ServedWord(WordKind::kIn, 0)}),
           Words({ServedWord(WordKind::kOut, 0)}),
           Words({ServedWord(WordKind::kOutBuffer, 0), size}),
           Words({ServedWord(WordKind::kValue, 1)}),
           Words({ServedWord(WordKind::kKinds)}),
           Words({~0u}),
           Words({}, 4),
           Words({}, abi::kServedSize),
           Words({out, size}, abi::kServedSize | abi::kServedHandle),
           Words({out, size, out, size}, abi::kServedSize),
       })
    EXPECT_NE(CheckShape(bad), Status::kOk);
  ServedMethod rights = Words({});
  rights.rights = 0x80;
  EXPECT_NE(CheckShape(rights), Status::kOk);
}

TEST(CallShape, PartsLieApartWithinTheRoom) {
  const ServedMethod method =
      Words({ServedWord(WordKind::kIn, 24), ServedWord(WordKind::kOutBuffer, 100),
             ServedWord(WordKind::kSize), 0, ServedWord(WordKind::kOut, 8)});
  const std::uint64_t words[abi::kCallWords] = {0x1000, 0x2000, 50, 7, 0x3000, 0};
  CallLayout layout;
  ASSERT_EQ(LayOut(method, words, 4096, &layout), Status::kOk);
  ASSERT_EQ(layout.count, 3u);
  EXPECT_TRUE(layout.part[0].in && !layout.part[1].in && !layout.part[2].in);
  EXPECT_TRUE(layout.part[1].buffer);
  EXPECT_EQ(layout.part[1].size, 50u);
  EXPECT_EQ(layout.part[1].offset, 32u);
  EXPECT_EQ(layout.part[2].offset, 96u);
  EXPECT_EQ(layout.part[2].user, 0x3000u);
  EXPECT_EQ(LayOut(method, words, 103, &layout), Status::kMessageTooLong);
  EXPECT_EQ(LayOut(method, words, 104, &layout), Status::kOk);
}

// Whatever is accepted, with whatever words: never beyond the room.
TEST(CallShape, RandomShapesStayInside) {
  std::mt19937_64 random(1);
  std::uint32_t accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    ServedMethod method;
    for (std::uint32_t& word : method.word) {
      constexpr std::uint32_t kSizes[] = {1, 8, 4096, 65'536, 0x0fff'ffff};
      const auto kind = static_cast<WordKind>(random() % 7);
      const bool plain = kind == WordKind::kValue || kind == WordKind::kSize;
      word = ServedWord(kind, plain && random() % 8 != 0 ? 0 : kSizes[random() % 5]);
    }
    if (CheckShape(method) != Status::kOk)
      continue;
    ++accepted;
    std::uint64_t words[abi::kCallWords];
    for (std::uint64_t& word : words)
      word = random() % 2 == 0 ? random() % 70'000 : ~std::uint64_t{0} >> random() % 64;
    const auto room = static_cast<std::uint32_t>(random() % 3 * 4096);
    CallLayout layout;
    if (LayOut(method, words, room, &layout) != Status::kOk)
      continue;
    std::uint64_t end = 0;
    for (std::uint32_t part = 0; part < layout.count; ++part) {
      EXPECT_GE(layout.part[part].offset, end);
      end = std::uint64_t{layout.part[part].offset} + layout.part[part].size;
      EXPECT_LE(end, room);
    }
  }
  EXPECT_GT(accepted, 100u);
}

}  // namespace
}  // namespace k42::ipc
