// 9P messages: what is written can be read, and nothing a server sends is trusted.
#include "fs/ninep_message.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace k42::fs::ninep {
namespace {

using Space = std::array<std::byte, 256>;

std::span<const std::byte> Front(const Space& space, std::size_t size) {
  return std::span(space).first(size);
}

// A reply of `type` with a tag and a few fields.
std::size_t MakeReply(Space& space, std::uint8_t type, std::uint16_t tag, std::uint32_t field) {
  Writer writer(space);
  writer.Begin(static_cast<Type>(type), tag);
  writer.U32(field);
  return writer.End();
}

TEST(NinePMessage, RoundTrip) {
  Space space;
  Writer writer(space);
  writer.Begin(Type::kWalk, 7);
  writer.U8(1);
  writer.U64(0x0123456789abcdef);
  writer.Text("name");
  const std::size_t size = writer.End();
  Reader reader(Front(space, size));
  EXPECT_EQ(reader.U32(), size);
  EXPECT_EQ(reader.U8(), static_cast<std::uint8_t>(Type::kWalk));
  EXPECT_EQ(reader.U16(), 7);
  EXPECT_EQ(reader.U8(), 1);
  EXPECT_EQ(reader.U64(), 0x0123456789abcdefu);
  EXPECT_EQ(reader.Text(), "name");
  EXPECT_TRUE(reader.at_end());
  EXPECT_FALSE(reader.failed());
}

TEST(NinePMessage, WhatDoesNotFitIsNotSent) {
  std::array<std::byte, 12> space;
  Writer writer(space);
  writer.Begin(Type::kWalk, 0);
  writer.Text("longer than that");
  EXPECT_EQ(writer.End(), 0u);
}

TEST(NinePMessage, EveryTruncationIsNoticed) {
  Space space;
  Writer writer(space);
  writer.Begin(Type::kReadLink, 3);
  writer.Text("/somewhere/else");
  const std::size_t size = writer.End();
  for (std::size_t cut = kHeaderSize; cut < size; ++cut) {
    Reader reader(Front(space, cut).subspan(kHeaderSize));
    reader.Text();
    EXPECT_EQ(reader.Check(), Status::kCorrupt) << cut;
  }
}

TEST(NinePMessage, RepliesMustAnswerTheRequest) {
  Space space;
  std::size_t size = MakeReply(space, static_cast<std::uint8_t>(Type::kRead) + 1, 5, 0);
  EXPECT_EQ(CheckReply(Front(space, size), size, Type::kRead, 5), Status::kOk);
  EXPECT_EQ(CheckReply(Front(space, size), size, Type::kRead, 6), Status::kCorrupt);
  EXPECT_EQ(CheckReply(Front(space, size), size, Type::kWrite, 5), Status::kCorrupt);
  EXPECT_EQ(CheckReply(Front(space, size), size + 1, Type::kRead, 5), Status::kCorrupt);
  size = MakeReply(space, static_cast<std::uint8_t>(Type::kError), 5, 2);
  EXPECT_EQ(CheckReply(Front(space, size), size, Type::kRead, 5), Status::kNotFound);
  size = MakeReply(space, static_cast<std::uint8_t>(Type::kError), 5, 9999);
  EXPECT_EQ(CheckReply(Front(space, size), size, Type::kRead, 5), Status::kIoError);
}

TEST(NinePMessage, DirectoryItemsMayNotBePaths) {
  for (const std::string& name : {std::string("a/b"), std::string(), std::string("a\0b", 3)}) {
    Space space;
    Writer writer(space);
    writer.Begin(Type::kReadDirectory, 0);
    writer.U8(0);
    writer.U32(0);
    writer.U64(1);
    writer.U64(2);
    writer.U8(8);
    writer.Text(name);
    const std::size_t size = writer.End();
    Reader reader(Front(space, size).subspan(kHeaderSize));
    DirectoryItem item;
    EXPECT_EQ(ParseDirectoryItem(reader, &item), Status::kCorrupt);
  }
}

}  // namespace
}  // namespace k42::fs::ninep
