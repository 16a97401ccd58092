// What a stream may cost: messages without bytes, attachments, tickets armed again and again; and
// a reset in the middle of a read.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "abi/dispatcher_page.h"
#include "cobj/make.h"
#include "cobj/ticket.idl.h"
#include "io/attachment.h"
#include "io/conduit.h"
#include "ipc/handle_table.h"
#include "mem/heap.h"
#include "support/counted_object.h"
#include "support/node_fixture.h"

namespace k42::io {
namespace {

BufferIn In(std::string_view text) {
  return BufferIn::Kernel(text.data(), text.size());
}

std::uint32_t Ready(ReadyList& list) {
  return abi::PollWord::Unpack(list.Word()).ready;
}

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

class ConduitLimitsTest : public test::ObjectFixture {
 protected:
  RefPtr<Conduit> Open(const Conduit::Shape& shape) {
    auto conduit = RefPtr<Conduit>::Adopt(Conduit::Make(shape).value());
    conduit->OpenReader();
    conduit->OpenWriter();
    conduit->WatchWriter(&writers_);
    return conduit;
  }
  static constexpr std::uint64_t kCapacity = 65536;
  ReadyList writers_;
};

TEST_F(ConduitLimitsTest, EmptyMessagesFillIt) {
  auto conduit = Open({kCapacity, 0, true, true});
  Status status = Status::kOk;
  std::uint64_t written = 0;
  while (written <= kCapacity && status == Status::kOk) {
    status = conduit->Write(In("")).status();
    written += status == Status::kOk ? 1 : 0;
  }
  EXPECT_EQ(status, Status::kWouldBlock);
  EXPECT_LE(written * (sizeof(Chunk) + Chunk::kSmallest), kCapacity);
  EXPECT_EQ(Ready(writers_) & abi::kWritable, 0u);
  EXPECT_EQ(conduit->bytes(), 0u);
  char byte;
  for (; written != 0; --written)
    EXPECT_EQ(conduit->Read(BufferOut::Kernel(&byte, 1)).ValueOr(1), 0u);
  // All of it was given back: an empty one takes any message that fits.
  EXPECT_NE(Ready(writers_) & abi::kWritable, 0u);
  EXPECT_EQ(conduit->Write(In(std::string(kCapacity, 'x'))).ValueOr(0), kCapacity);
  EXPECT_EQ(conduit->Write(In("")).status(), Status::kWouldBlock);
  conduit->WatchWriter(nullptr);
}

TEST_F(ConduitLimitsTest, AttachmentsFillIt) {
  auto conduit = Open({kCapacity, 0, false, true});
  Status status = Status::kOk;
  std::uint64_t written = 0;
  while (written <= kCapacity && status == Status::kOk) {
    Attachment* attachment = Attachment::Make().value();
    status = conduit->Write(In("x"), attachment).status();
    if (status == Status::kOk)
      ++written;
    else
      Attachment::Free(attachment);
  }
  EXPECT_EQ(status, Status::kWouldBlock);
  EXPECT_GT(written, 1u);
  EXPECT_LE(written * sizeof(Attachment), kCapacity + sizeof(Attachment));
  EXPECT_EQ(conduit->bytes(), written);
  for (; written != 0; --written) {
    char byte;
    ReadOutcome outcome;
    EXPECT_EQ(conduit->Read(BufferOut::Kernel(&byte, 1), false, &outcome).ValueOr(0), 1u);
    EXPECT_NE(outcome.attachment, nullptr);
    Attachment::Free(outcome.attachment);
  }
  EXPECT_EQ(conduit->Write(In(std::string(kCapacity + 1, 'x'))).ValueOr(0), kCapacity);
  conduit->WatchWriter(nullptr);
}

TEST_F(ConduitLimitsTest, NothingWrittenTakesItsAttachment) {
  int ends = 0;
  ipc::HandleTable table(mem::TheHeap());
  const abi::Handle handle = table.Grant(test::CountedObject::Make(&ends)).value();
  cobj::CallContext caller;
  caller.handles = &table;
  Attachment* attachment = Attachment::Make().value();
  EXPECT_EQ(attachment->Hold(caller, &handle, 1), Status::kOk);
  EXPECT_EQ(table.Close(handle), Status::kOk);
  auto conduit = Open({kCapacity, 0, false, true});
  EXPECT_EQ(ends, 0);
  EXPECT_EQ(conduit->Write(In(""), attachment).ValueOr(1), 0u);
  EXPECT_EQ(ends, 1);
  conduit->WatchWriter(nullptr);
}

TEST_F(ConduitLimitsTest, ATicketArmedAgainIsOneTicket) {
  int fired = 0;
  const auto sink = cobj::MakeShared<Sink>(&fired).value();
  ReadyList list;
  constexpr std::uint32_t kNextGeneration = abi::kTicketCount;
  for (std::uint32_t i = 0; i < 10; ++i)
    EXPECT_EQ(list.Arm(abi::kReadable, abi::kArmLevel, {sink, 5 + i * kNextGeneration}),
              Status::kOk);
  EXPECT_EQ(list.Arm(abi::kReadable, abi::kArmLevel, {sink, 6}), Status::kOk);
  {
    Wakeups wakeups;
    list.Update(abi::kReadable, abi::kReadable, abi::kReadable, wakeups);
  }
  EXPECT_EQ(fired, 2);
  (void)cobj::Destroy(sink);
}

// The reader copies with the conduit unlocked; a reset drops what it holds from the books.
TEST_F(ConduitLimitsTest, AResetDuringAReadKeepsTheBooks) {
  constexpr std::uint64_t kLarge = 4 << 20;
  auto conduit = Open({kLarge, 0, false, true});
  const std::string data(kLarge, 'x');
  std::string into(kLarge, ' ');
  for (int round = 0; round < 40; ++round) {
    (void)conduit->Write(In(data));
    std::atomic<bool> begun{false};
    machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
      if (cpu == 0) {
        begun = true;
        (void)conduit->Read(BufferOut::Kernel(into.data(), kLarge));
      } else if (cpu == 1) {
        while (!begun) std::this_thread::yield();
        std::this_thread::sleep_for(std::chrono::microseconds(round * 20));
        conduit->Reset();
      }
    });
    ASSERT_EQ(conduit->bytes(), 0u) << round;
    conduit->WatchWriter(nullptr);
    conduit = Open({kLarge, 0, false, true});
  }
  conduit->WatchWriter(nullptr);
}

// Nor may what somebody puts back meanwhile end up behind the rest of what the reader has taken.
TEST_F(ConduitLimitsTest, WhatIsPutBackDuringAReadComesNext) {
  constexpr std::uint64_t kLarge = 4 << 20;
  const std::string data(kLarge, 'x');
  for (int round = 0; round < 40; ++round) {
    auto conduit = Open({2 * kLarge, 0, false, false});
    ASSERT_EQ(conduit->Write(In(data)).ValueOr(0), kLarge);
    std::string got(kLarge - 10, ' ');
    std::atomic<bool> begun{false};
    machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
      if (cpu == 0) {
        begun = true;
        ASSERT_EQ(conduit->Read(BufferOut::Kernel(got.data(), got.size())).ValueOr(0), got.size());
      } else if (cpu == 1) {
        while (!begun) std::this_thread::yield();
        std::this_thread::sleep_for(std::chrono::microseconds(round * 20));
        ASSERT_EQ(conduit->PutBack(In("back")), Status::kOk);
      }
    });
    const bool before = got.starts_with("back");
    std::string rest(64, ' ');
    rest.resize(conduit->Read(BufferOut::Kernel(rest.data(), rest.size())).ValueOr(0));
    ASSERT_EQ(rest, before ? std::string(14, 'x') : "back" + std::string(10, 'x')) << round;
    conduit->WatchWriter(nullptr);
  }
}

}  // namespace
}  // namespace k42::io
