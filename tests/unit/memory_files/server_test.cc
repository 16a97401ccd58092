// The memory file server's messages: what is cut short or makes no sense gets an error, or no
// answer.
#include "user/memory_files/server.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

namespace k42::memory_files {
namespace {

using abi::ninep::Reader;
using abi::ninep::Type;
using abi::ninep::Writer;

class PlainHeap final : public Allocator {
 public:
  void* Allocate(std::size_t size, std::size_t) override { return std::malloc(size); }
  void Free(void* block, std::size_t) override { std::free(block); }
};

class ServerTest : public testing::Test {
 protected:
  static std::uint64_t Now() { return 1; }
  ServerTest() { EXPECT_EQ(Ask(Attach(kRoot)), 0u); }

  Writer& Begin(Type type) {
    out_ = Writer(message_);
    out_.Begin(type, 7);
    return out_;
  }
  Writer& Attach(std::uint32_t fid) {
    Writer& out = Begin(Type::kAttach);
    out.U32(fid);
    out.U32(abi::ninep::kNoFid);
    out.Text("k42");
    out.Text("");
    out.U32(0);
    return out;
  }
  // The error, 0: none. reply_ is behind the header then.
  std::uint32_t Ask(Writer& out) { return AskBytes(std::span(message_).first(out.End())); }
  std::uint32_t AskBytes(std::span<const std::byte> message) {
    const std::size_t size = server_.Answer(message, reply_space_);
    reply_ = Reader(std::span(reply_space_).first(size));
    if (size == 0)
      return ~0u;
    EXPECT_EQ(reply_.U32(), size);
    const std::uint8_t type = reply_.U8();
    EXPECT_EQ(reply_.U16(), 7u);
    return type == static_cast<std::uint8_t>(Type::kError) ? reply_.U32() : 0;
  }
  std::uint32_t Walk(std::uint32_t from, std::uint32_t to,
                     std::initializer_list<const char*> names) {
    Writer& out = Begin(Type::kWalk);
    out.U32(from);
    out.U32(to);
    out.U16(static_cast<std::uint16_t>(names.size()));
    for (const char* name : names) out.Text(name);
    return Ask(out);
  }
  std::uint32_t MakeFolder(std::uint32_t in, const char* name) {
    Writer& out = Begin(Type::kMakeDirectory);
    out.U32(in);
    out.Text(name);
    out.U32(0755);
    out.U32(0);
    return Ask(out);
  }
  static constexpr std::uint32_t kRoot = 1;

  PlainHeap heap_;
  Tree tree_{heap_, 16 << 20, Now};
  Server server_{tree_, heap_};
  std::vector<std::byte> message_ = std::vector<std::byte>(Server::kMessageMost);
  std::vector<std::byte> reply_space_ = std::vector<std::byte>(Server::kMessageMost);
  Writer out_{message_};
  Reader reply_{{}};
};

TEST_F(ServerTest, WalksGoAsFarAsTheyCan) {
  EXPECT_EQ(MakeFolder(kRoot, "a"), 0u);
  EXPECT_EQ(Walk(kRoot, 2, {"a"}), 0u);
  EXPECT_EQ(reply_.U16(), 1u);
  EXPECT_EQ(MakeFolder(2, "b"), 0u);
  EXPECT_EQ(Walk(kRoot, 3, {"a", "b"}), 0u);
  EXPECT_EQ(reply_.U16(), 2u);
  EXPECT_EQ(Walk(kRoot, 4, {"a", "c", "d"}), 0u);
  EXPECT_EQ(reply_.U16(), 1u);
  EXPECT_EQ(Walk(4, 5, {}), 116u);  // so there is no such fid
  EXPECT_EQ(Walk(kRoot, 4, {"c"}), 2u);
  EXPECT_EQ(Walk(kRoot, 3, {"a"}), 22u);  // in use
  EXPECT_EQ(server_.fids(), 3u);
}

TEST_F(ServerTest, AFidIsForgotten) {
  EXPECT_EQ(Walk(kRoot, 2, {}), 0u);
  Begin(Type::kClunk).U32(2);
  EXPECT_EQ(Ask(out_), 0u);
  Begin(Type::kClunk).U32(2);
  EXPECT_EQ(Ask(out_), 116u);
  Writer& out = Begin(Type::kVersion);
  out.U32(1 << 30);
  out.Text("9P2000.L");
  EXPECT_EQ(Ask(out), 0u);
  EXPECT_EQ(reply_.U32(), Server::kMessageMost);
  EXPECT_EQ(server_.fids(), 0u);
}

TEST_F(ServerTest, AListingTellsEachNameOnce) {
  for (int i = 0; i < 300; ++i) EXPECT_EQ(MakeFolder(kRoot, std::to_string(i).c_str()), 0u);
  std::uint64_t cookie = 0;
  int count = 0;
  for (;;) {
    Writer& out = Begin(Type::kReadDirectory);
    out.U32(kRoot);
    out.U64(cookie);
    out.U32(1000);
    ASSERT_EQ(Ask(out), 0u);
    const std::uint32_t size = reply_.U32();
    ASSERT_LE(size, 1000u);
    if (size == 0)
      break;
    while (!reply_.at_end()) {
      reply_.ReadQid();
      cookie = reply_.U64();
      EXPECT_EQ(reply_.U8(), 4u);
      EXPECT_FALSE(reply_.Text().empty());
      ++count;
    }
    ASSERT_FALSE(reply_.failed());
  }
  EXPECT_EQ(count, 300);
}

TEST_F(ServerTest, WhatIsCutShortGetsAnError) {
  EXPECT_EQ(server_.Answer({}, reply_space_), 0u);
  EXPECT_EQ(server_.Answer(std::span(message_).first(6), reply_space_), 0u);
  Writer& out = Begin(Type::kMakeDirectory);
  out.U32(kRoot);
  out.Text("a name");
  out.U32(0755);
  out.U32(0);
  const std::size_t whole = out.End();
  EXPECT_EQ(server_.Answer(std::span(message_).first(whole - 1), reply_space_),
            0u);  // not its size
  for (std::size_t size = abi::ninep::kHeaderSize; size < whole; ++size) {
    message_[0] = static_cast<std::byte>(size);
    EXPECT_NE(AskBytes(std::span(message_).first(size)), 0u) << size;
  }
  EXPECT_EQ(tree_.root().size, 0u);
}

// Any bytes: no answer is larger than it may be, and the tree stays sound.
TEST_F(ServerTest, RandomMessages) {
  std::mt19937 random(11);
  for (int round = 0; round < 200000; ++round) {
    const std::size_t size = abi::ninep::kHeaderSize + random() % 60;
    for (std::size_t i = 0; i < size; ++i) {
      // Small numbers, as fids and sizes mostly are.
      message_[i] = static_cast<std::byte>(random() % 4 == 0 ? random() : random() % 4);
    }
    message_[0] = static_cast<std::byte>(size);
    message_[1] = message_[2] = message_[3] = std::byte{};
    message_[4] = static_cast<std::byte>(random() % 128);
    message_[5] = std::byte{7};
    message_[6] = std::byte{};
    ASSERT_LE(server_.Answer(std::span(message_).first(size), reply_space_), reply_space_.size());
    if (server_.fids() == 0)
      (void)Ask(Attach(kRoot));
  }
}

}  // namespace
}  // namespace k42::memory_files
