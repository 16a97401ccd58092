// Submit and receive rings: order, wrap-around, adoption by a new daemon, hostile words.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "abi/receive_ring.h"
#include "abi/submit_ring.h"

namespace k42::abi {
namespace {

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(SubmitRing, KeepsOrderAndRefusesWhenFull) {
  auto ring = std::make_unique<SubmitRingMemory>();
  SubmitProducer producer(*ring);
  SubmitConsumer consumer = SubmitConsumer::Adopt(*ring).value();
  for (std::uint64_t i = 0; i < kSubmitEntries; ++i) EXPECT_EQ(producer.Push(i), Status::kOk);
  EXPECT_EQ(producer.Push(0), Status::kBusy);
  for (std::uint64_t i = 0; i < kSubmitEntries; ++i) {
    EXPECT_EQ(consumer.Front().value(), i);
    consumer.Drop();
  }
  EXPECT_EQ(consumer.Front().status(), Status::kWouldBlock);
}

TEST(SubmitRing, ANewDaemonGoesOnWhereTheOldOneStopped) {
  auto ring = std::make_unique<SubmitRingMemory>();
  SubmitProducer producer(*ring);
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(producer.Push(100 + i), Status::kOk);
  {
    SubmitConsumer first = SubmitConsumer::Adopt(*ring).value();
    first.Drop();
    first.Drop();
  }
  SubmitConsumer second = SubmitConsumer::Adopt(*ring).value();
  EXPECT_EQ(second.Available().value(), 3u);
  EXPECT_EQ(second.Front().value(), 102u);
}

TEST(SubmitRing, IndicesOfTheOtherSideAreChecked) {
  auto ring = std::make_unique<SubmitRingMemory>();
  SubmitProducer producer(*ring);
  SubmitConsumer consumer = SubmitConsumer::Adopt(*ring).value();
  ring->consumer.consumed = 7;  // consumed what was never produced
  EXPECT_EQ(producer.Push(1), Status::kCorrupt);
  ring->producer.produced = kSubmitEntries + 1;
  EXPECT_EQ(consumer.Front().status(), Status::kCorrupt);
  ring->producer.produced = ~0ull;
  EXPECT_EQ(consumer.Available().status(), Status::kCorrupt);
}

TEST(ReceiveRing, CarriesRecordsAcrossTheEnd) {
  auto ring = std::make_unique<ReceiveRingMemory>();
  ReceiveProducer producer = ReceiveProducer::Adopt(*ring).value();
  ReceiveConsumer consumer(*ring);
  std::string text;
  for (int round = 0; round < 500; ++round) {
    text.assign(1 + (round * 997) % kMaxMessage, static_cast<char>('a' + round % 26));
    RecordHeader header{};
    header.kind = RecordKind::kMessage;
    header.value = round;
    ASSERT_EQ(producer.Write(header, Bytes("head"), Bytes(text.substr(0, text.size() - 1))),
              text.size() + 3 > kMaxMessage ? Status::kMessageTooLong : Status::kOk);
    if (text.size() + 3 > kMaxMessage)
      continue;
    auto record = consumer.Front();
    ASSERT_TRUE(record.ok());
    EXPECT_EQ(record.value().header.value, static_cast<std::uint64_t>(round));
    ASSERT_EQ(record.value().header.length, text.size() + 3);
    EXPECT_EQ(std::memcmp(record.value().payload, "head", 4), 0);
    EXPECT_EQ(std::memcmp(record.value().payload + 4, text.data(), text.size() - 1), 0);
    consumer.Drop();
  }
  EXPECT_TRUE(consumer.Empty());
}

TEST(ReceiveRing, FullMeansWaitAndRoomWakesTheWaiter) {
  auto ring = std::make_unique<ReceiveRingMemory>();
  ReceiveProducer producer = ReceiveProducer::Adopt(*ring).value();
  ReceiveConsumer consumer(*ring);
  RecordHeader header{};
  header.kind = RecordKind::kMessage;
  std::string text(kMaxMessage, 'x');
  int written = 0;
  while (producer.Write(header, Bytes(text)) == Status::kOk) ++written;
  EXPECT_GE(written, 7);
  producer.AnnounceWait();
  EXPECT_EQ(producer.Write(header, Bytes(text)), Status::kWouldBlock);
  ASSERT_TRUE(consumer.Front().ok());
  consumer.Drop();
  EXPECT_TRUE(consumer.TakeWake());
  EXPECT_FALSE(consumer.TakeWake());
  EXPECT_EQ(producer.Write(header, Bytes(text)), Status::kOk);
}

TEST(ReceiveRing, NonsenseIsRefusedNotFollowed) {
  auto make = [] { return std::make_unique<ReceiveRingMemory>(); };
  RecordHeader header{};
  header.kind = RecordKind::kMessage;
  auto expect_corrupt = [](ReceiveRingMemory& ring) {
    ReceiveConsumer consumer(ring);
    EXPECT_EQ(consumer.Front().status(), Status::kCorrupt);
  };
  auto write = [](ReceiveRingMemory& ring, const RecordHeader& bad, std::uint64_t produced) {
    std::memcpy(ring.bytes, &bad, sizeof bad);
    ring.producer.produced = produced;
  };
  auto ring = make();
  write(*ring, header, kReceiveBytes + 16);  // more than fits
  expect_corrupt(*ring);
  ring = make();
  write(*ring, header, 8);  // not aligned
  expect_corrupt(*ring);
  ring = make();
  header.size = 0;  // would never end
  write(*ring, header, 64);
  expect_corrupt(*ring);
  ring = make();
  header.size = 128;  // longer than what was produced
  write(*ring, header, 64);
  expect_corrupt(*ring);
  ring = make();
  header.size = 48;
  header.length = 17;  // payload longer than its record
  write(*ring, header, 48);
  expect_corrupt(*ring);
  ring = make();
  header = {};
  header.kind = RecordKind::kPad;
  header.size = 32;  // a pad that does not end at the end
  write(*ring, header, 64);
  expect_corrupt(*ring);
}

TEST(ReceiveRing, TwoThreadsUnderLoad) {
  auto ring = std::make_unique<ReceiveRingMemory>();
  constexpr int kCount = 20000;
  std::thread daemon([&ring] {
    ReceiveProducer producer = ReceiveProducer::Adopt(*ring).value();
    std::vector<std::byte> payload(200);
    for (int i = 0; i < kCount;) {
      RecordHeader header{};
      header.kind = RecordKind::kMessage;
      header.value = i;
      std::memcpy(payload.data(), &i, sizeof i);
      if (producer.Write(header, std::span(payload).first(sizeof i + i % 190)) == Status::kOk)
        ++i;
      else
        std::this_thread::yield();
    }
  });
  ReceiveConsumer consumer(*ring);
  for (int i = 0; i < kCount;) {
    auto record = consumer.Front();
    if (!record.ok()) {
      ASSERT_EQ(record.status(), Status::kWouldBlock);
      std::this_thread::yield();
      continue;
    }
    int carried;
    std::memcpy(&carried, record.value().payload, sizeof carried);
    ASSERT_EQ(carried, i);
    ASSERT_EQ(record.value().header.length, sizeof i + i % 190);
    consumer.Drop();
    ++i;
  }
  daemon.join();
}

}  // namespace
}  // namespace k42::abi
