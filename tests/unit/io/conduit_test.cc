// Conduits: what pipes and connections promise about bytes, messages, ends and readiness.
#include "io/conduit.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>

#include "support/node_fixture.h"

namespace k42::io {
namespace {

BufferIn In(std::string_view text) {
  return BufferIn::Kernel(text.data(), text.size());
}

class ConduitTest : public test::ObjectFixture {
 protected:
  void Open(const Conduit::Shape& shape) {
    conduit = RefPtr<Conduit>::Adopt(Conduit::Make(shape).value());
    conduit->OpenReader();
    conduit->OpenWriter();
    conduit->WatchReader(&readers);
    conduit->WatchWriter(&writers);
  }
  void TearDown() override {
    conduit->WatchReader(nullptr);
    conduit->WatchWriter(nullptr);
    conduit = nullptr;
    ObjectFixture::TearDown();
  }
  std::string Read(std::size_t size) {
    std::string text(size, '?');
    const auto count = conduit->Read(BufferOut::Kernel(text.data(), size));
    text.resize(count.ok() ? count.value() : 0);
    return text;
  }
  std::uint32_t Ready(ReadyList& list) { return abi::PollWord::Unpack(list.Word()).ready; }

  static constexpr Conduit::Shape kPipe{65536, 4096, false, false};
  RefPtr<Conduit> conduit;
  ReadyList readers{kOutputEnded};
  ReadyList writers;
};

TEST_F(ConduitTest, AtomicWritesAreWholeLargeOnesMaySplit) {
  Open(kPipe);
  const std::string large(65000, 'x');
  EXPECT_EQ(conduit->Write(In(large)).ValueOr(0), 65000u);
  EXPECT_EQ(conduit->Write(In(std::string(4096, 'y'))).status(), Status::kWouldBlock);
  EXPECT_EQ(conduit->Write(In(std::string(5000, 'z'))).ValueOr(0), 536u);
  EXPECT_EQ(Ready(writers) & abi::kWritable, 0u);
  EXPECT_EQ(Read(65000), large);
  EXPECT_NE(Ready(writers) & abi::kWritable, 0u);
  EXPECT_EQ(Read(10000), std::string(536, 'z'));
  EXPECT_EQ(conduit->Read(BufferOut::Kernel(nullptr, 0)).ValueOr(1), 0u);
}

TEST_F(ConduitTest, EndsAreSeen) {
  Open(kPipe);
  char byte;
  EXPECT_EQ(conduit->Read(BufferOut::Kernel(&byte, 1)).status(), Status::kWouldBlock);
  EXPECT_EQ(conduit->Write(In("last words")).ValueOr(0), 10u);
  conduit->CloseWriter();
  EXPECT_EQ(Ready(readers), abi::kReadable | abi::kHangup);
  EXPECT_EQ(Read(64), "last words");
  EXPECT_EQ(Ready(readers), abi::kHangup);
  EXPECT_EQ(conduit->Read(BufferOut::Kernel(&byte, 1)).ValueOr(9), 0u);
  conduit->CloseReader();
  EXPECT_EQ(conduit->Write(In("x")).status(), Status::kBrokenPipe);
  EXPECT_NE(Ready(writers) & abi::kError, 0u);
}

TEST_F(ConduitTest, MessagesKeepTheirBoundaries) {
  Open({65536, 0, true, true});
  EXPECT_TRUE(conduit->Write(In("one")).ok());
  EXPECT_TRUE(conduit->Write(In("")).ok());
  EXPECT_TRUE(conduit->Write(In(std::string(40000, 'm'))).ok());
  EXPECT_EQ(conduit->NextMessageSize(), 3u);
  EXPECT_EQ(Read(2), "on");  // the rest of a message is lost
  EXPECT_EQ(Read(100), "");
  EXPECT_EQ(Read(50000), std::string(40000, 'm'));
  EXPECT_EQ(conduit->bytes(), 0u);
}

TEST_F(ConduitTest, PeekingTakesNothing) {
  Open(kPipe);
  EXPECT_TRUE(conduit->Write(In("look")).ok());
  char text[8] = {};
  EXPECT_EQ(conduit->Read(BufferOut::Kernel(text, 8), true).ValueOr(0), 4u);
  EXPECT_EQ(Read(2), "lo");
  EXPECT_EQ(Read(8), "ok");
}

TEST_F(ConduitTest, OnlyAPipesOpenersAwaitEachOther) {
  Open(kPipe);
  EXPECT_EQ(Ready(readers), abi::kPeerPresent);
  EXPECT_EQ(Ready(writers), abi::kWritable | abi::kPeerPresent);
  conduit->WatchReader(nullptr);
  conduit->WatchWriter(nullptr);
  ReadyList in{kOutputEnded}, out;
  conduit = RefPtr<Conduit>::Adopt(Conduit::Make({65536, 0, false, true}).value());
  conduit->OpenReader();
  conduit->OpenWriter();
  conduit->WatchReader(&in);
  conduit->WatchWriter(&out);
  EXPECT_EQ(Ready(in), 0u);
  EXPECT_EQ(Ready(out), abi::kWritable);
  conduit->WatchReader(nullptr);
  conduit->WatchWriter(nullptr);
}

TEST_F(ConduitTest, NothingIsPutBackForNobody) {
  Open(kPipe);
  EXPECT_TRUE(conduit->Write(In("one two")).ok());
  EXPECT_EQ(Read(4), "one ");
  EXPECT_EQ(conduit->PutBack(In("")), Status::kOk);
  EXPECT_EQ(conduit->PutBack(In("one ")), Status::kOk);
  EXPECT_EQ(Read(4), "one ");
  conduit->CloseReader();
  EXPECT_EQ(conduit->PutBack(In("")), Status::kOk);
  EXPECT_EQ(conduit->PutBack(In("one ")), Status::kBrokenPipe);
  EXPECT_EQ(conduit->bytes(), 0u);
  conduit->OpenReader();
  EXPECT_EQ(Read(4), "");
}

TEST_F(ConduitTest, ResetIsToldOnce) {
  Open({65536, 0, false, true});
  EXPECT_TRUE(conduit->Write(In("lost")).ok());
  conduit->Reset();
  char byte;
  EXPECT_NE(Ready(readers) & abi::kError, 0u);
  EXPECT_EQ(conduit->Read(BufferOut::Kernel(&byte, 1)).status(), Status::kConnectionReset);
  EXPECT_EQ(conduit->Read(BufferOut::Kernel(&byte, 1)).ValueOr(9), 0u);
}

TEST_F(ConduitTest, RandomPiecesComeOutInOrder) {
  Open(kPipe);
  std::mt19937 random(7);
  std::uint64_t sent = 0, received = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string piece(random() % 9000 + 1, '\0');
    if (random() % 2 != 0) {
      for (std::size_t j = 0; j < piece.size(); ++j) {
        piece[j] = static_cast<char>((sent + j) % 251);
      }
      sent += conduit->Write(In(piece)).ValueOr(0);
    } else {
      for (const char c : Read(piece.size())) {
        ASSERT_EQ(static_cast<unsigned char>(c), received % 251);
        ++received;
      }
    }
    ASSERT_EQ(conduit->bytes(), sent - received);
  }
}

}  // namespace
}  // namespace k42::io
