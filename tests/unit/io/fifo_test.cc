// A fifo's openings: who waits for the other side, and what ends that wait.
#include "io/fifo.h"

#include <gtest/gtest.h>

#include <string>

#include "abi/dispatcher_page.h"
#include "cobj/make.h"
#include "cobj/ticket.idl.h"
#include "fs/entry.h"
#include "fs/node.h"
#include "io/control.types.h"
#include "support/node_fixture.h"

namespace k42::io {
namespace {

class Sink final : public cobj::ITicketSink {
 public:
  using Interface = cobj::ITicketSink;
  explicit Sink(int* fired) : fired_(fired) {}
  Result<std::uint32_t> Arm(std::uint32_t number) override { return number; }
  Status Fire(std::uint32_t, std::int64_t, std::uint64_t) override {
    ++*fired_;
    return Status::kOk;
  }

 private:
  int* const fired_;
};

class FifoTest : public test::ObjectFixture {
 protected:
  void SetUp() override {
    ObjectFixture::SetUp();
    fifo_ = RefPtr<Fifo>::Adopt(Fifo::Make().value());
  }
  void TearDown() override {
    fifo_ = nullptr;
    ObjectFixture::TearDown();
  }
  Result<cobj::Ref<fs::IOpenFile>> Open(std::uint32_t flags) {
    const auto opened = Fifo::Open(fifo_, nullptr, nullptr, flags);
    if (!opened.ok()) {
      return opened.status();
    }
    EXPECT_EQ(opened.value().ref->HandleAdded(), Status::kOk);
    return opened.value().ref;
  }
  static void Close(cobj::Ref<fs::IOpenFile> file) {
    EXPECT_EQ(file->HandleDropped(), Status::kOk);
  }
  static std::uint64_t Word(cobj::Ref<fs::IOpenFile> file) { return file->PollState().value(); }
  static bool PeerCame(cobj::Ref<fs::IOpenFile> file) {
    return (abi::PollWord::Unpack(Word(file)).ready & abi::kPeerPresent) != 0;
  }

  const cobj::CallContext kernel_ = cobj::CallContext::Kernel();
  RefPtr<Fifo> fifo_;
};

constexpr std::uint32_t kSides[2] = {fs::kOpenRead, fs::kOpenWrite};

TEST_F(FifoTest, AShortVisitEndsTheWait) {
  for (const bool writes : {false, true}) {
    EXPECT_EQ(Open(kSides[writes]).status(), Status::kWouldBlock);
    const auto waiting = Open(kSides[writes] | fs::kOpenAwaitsPeer).value();
    EXPECT_FALSE(PeerCame(waiting));
    const auto visitor = Open(kSides[!writes]).value();
    EXPECT_TRUE(PeerCame(waiting));
    Close(visitor);
    EXPECT_TRUE(PeerCame(waiting));
    // Who comes now waits for somebody else.
    const auto next = Open(kSides[writes] | fs::kOpenAwaitsPeer).value();
    EXPECT_FALSE(PeerCame(next));
    Close(next);
    Close(waiting);
  }
}

TEST_F(FifoTest, AVisitBetweenTheLookAndTheArmingIsNotLost) {
  for (const bool before : {false, true}) {
    for (const bool writes : {false, true}) {
      if (before) {  // others were here once: the ends have been seen
        const auto both = Open(fs::kOpenRead | fs::kOpenWrite).value();
        Close(both);
      }
      const auto waiting = Open(kSides[writes] | fs::kOpenAwaitsPeer).value();
      int fired = 0;
      const auto sink = cobj::MakeShared<Sink>(&fired).value();
      const std::uint64_t word = Word(waiting);
      EXPECT_EQ(waiting->Arm(abi::kPeerPresent, abi::kArmEdge | word, {sink, 1}), Status::kOk);
      EXPECT_EQ(fired, 0);  // that nobody is there is no reason
      Close(Open(kSides[!writes]).value());
      EXPECT_EQ(fired, 1);
      EXPECT_EQ(waiting->Arm(abi::kPeerPresent, abi::kArmEdge | word, {sink, 1}), Status::kOk);
      EXPECT_EQ(fired, 2);
      Close(waiting);
      EXPECT_EQ(cobj::Destroy(sink), Status::kOk);
    }
  }
}

TEST_F(FifoTest, WhatIsPutBackIsReadNext) {
  const auto reader = Open(fs::kOpenRead | fs::kOpenNonBlocking).value();
  const auto writer = Open(fs::kOpenWrite).value();
  const std::string text = "one two three";
  EXPECT_EQ(writer->Write(kernel_, BufferIn::Kernel(text.data(), text.size())).ValueOr(0), 13u);
  std::string got(8, '?');
  EXPECT_EQ(reader->Read(kernel_, BufferOut::Kernel(got.data(), 8)).ValueOr(0), 8u);
  const auto put_back = [&](cobj::Ref<fs::IOpenFile> file, std::string_view bytes) {
    return file->Control(kernel_, kControlPutBackPipe, BufferIn::Kernel(bytes.data(), bytes.size()),
                         BufferOut());
  };
  EXPECT_EQ(put_back(reader, "two ").ValueOr(0), 4u);
  EXPECT_EQ(put_back(writer, "two ").status(), Status::kBadHandle);
  got.assign(16, '?');
  EXPECT_EQ(reader->Read(kernel_, BufferOut::Kernel(got.data(), 16)).ValueOr(0), 9u);
  EXPECT_EQ(got.substr(0, 9), "two three");
  // Also into a full pipe, but not for ever.
  const std::string page(4096, 'x');
  while (writer->Write(kernel_, BufferIn::Kernel(page.data(), page.size())).ok()) {
  }
  EXPECT_EQ(put_back(reader, page).ValueOr(0), 4096u);
  int more = 0;
  while (put_back(reader, page).ok()) {
    ++more;
  }
  EXPECT_LT(more, 16);
  Close(writer);
  Close(reader);
}

}  // namespace
}  // namespace k42::io
