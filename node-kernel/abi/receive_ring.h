// The two ends of a receive ring (link_ring.h): records from the daemon to one CPU's kernel.
//
// A record lies in one piece; what does not fit before the end of the ring is preceded by a pad.
// Each end is used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "abi/link_ring.h"
#include "abi/ring_sleep.h"
#include "base/load_once.h"
#include "base/result.h"

namespace k42::abi {

class ReceiveProducer {
 public:
  ReceiveProducer() = default;  // attached to nothing: only to be assigned
  // Takes over where the words in the ring say that a predecessor stopped. A record that it had not
  // published is simply overwritten.
  static Result<ReceiveProducer> Adopt(ReceiveRingMemory& ring) {
    ReceiveProducer producer(ring, ring.producer.produced.load(std::memory_order_relaxed));
    if (producer.produced_ % kRecordAlign != 0)
      return Status::kCorrupt;
    TRY(producer.Free());
    return producer;
  }

  // Writes one record of two pieces of payload (a frame and what it frames) and publishes it.
  // kWouldBlock: no room now. kMessageTooLong: never.
  Status Write(RecordHeader header, std::span<const std::byte> first = {},
               std::span<const std::byte> second = {}) {
    std::uint64_t length = first.size() + second.size();
    if (length > kMaxMessage)
      return Status::kMessageTooLong;
    header.length = static_cast<std::uint32_t>(length);
    header.size = static_cast<std::uint32_t>((sizeof(RecordHeader) + length + kRecordAlign - 1) /
                                             kRecordAlign * kRecordAlign);
    std::uint64_t free = TRY(Free());
    std::uint64_t at = produced_ % kReceiveBytes;
    std::uint64_t pad = at + header.size > kReceiveBytes ? kReceiveBytes - at : 0;
    if (pad + header.size > free)
      return Status::kWouldBlock;
    if (pad != 0) {
      std::uint32_t size = static_cast<std::uint32_t>(pad);
      RecordKind kind = RecordKind::kPad;
      std::memcpy(ring_->bytes + at, &size, sizeof size);
      std::memcpy(ring_->bytes + at + sizeof size, &kind, sizeof kind);
      produced_ += pad;
      at = 0;
    }
    std::memcpy(ring_->bytes + at, &header, sizeof header);
    at += sizeof header;
    if (!first.empty())
      std::memcpy(ring_->bytes + at, first.data(), first.size());
    if (!second.empty())
      std::memcpy(ring_->bytes + at + first.size(), second.data(), second.size());
    produced_ += header.size;
    RingSleep<>::Publish(ring_->producer.produced, produced_);
    return Status::kOk;
  }
  // After one or more Write: must the kernel be called?
  bool TakeWake() { return RingSleep<>::TakeWake(ring_->consumer.consumer_sleeps); }

  // To wait for room: AnnounceWait, then try the Write once more.
  void AnnounceWait() { RingSleep<>::Announce(ring_->producer.producer_waits); }
  void RetractWait() { RingSleep<>::Retract(ring_->producer.producer_waits); }

 private:
  ReceiveProducer(ReceiveRingMemory& ring, std::uint64_t produced)
      : ring_(&ring), produced_(produced) {}

  Result<std::uint64_t> Free() const {
    std::uint64_t consumed = RingSleep<>::Progress(ring_->consumer.consumed);
    if (consumed > produced_ || produced_ - consumed > kReceiveBytes)
      return Status::kCorrupt;
    return kReceiveBytes - (produced_ - consumed);
  }

  ReceiveRingMemory* ring_ = nullptr;
  std::uint64_t produced_ = 0;
};

// A record in place. The header is a checked copy; the payload is the ring's own memory, valid
// until Drop(), and may be read once only (the daemon could still write to it).
struct ReceivedRecord {
  RecordHeader header;
  const std::byte* payload;

  std::span<const std::byte> Payload() const { return {payload, header.length}; }
};

class ReceiveConsumer {
 public:
  constexpr ReceiveConsumer() = default;  // attached to nothing: only to be assigned
  explicit ReceiveConsumer(ReceiveRingMemory& ring) : ring_(&ring) {}

  bool Empty() const { return RingSleep<>::Progress(ring_->producer.produced) == consumed_; }
  // On any thread: is there something that had not been taken a moment ago?
  bool Waiting() const {
    return ring_->producer.produced.load(std::memory_order_relaxed) !=
           ring_->consumer.consumed.load(std::memory_order_relaxed);
  }

  // The next record, kWouldBlock if there is none, kCorrupt if the daemon wrote nonsense.
  Result<ReceivedRecord> Front() {
    for (;;) {
      std::uint64_t produced = RingSleep<>::Progress(ring_->producer.produced);
      if (produced < consumed_ || produced - consumed_ > kReceiveBytes ||
          produced % kRecordAlign != 0)
        return Status::kCorrupt;
      std::uint64_t waiting = produced - consumed_;
      if (waiting == 0)
        return Status::kWouldBlock;
      std::uint64_t at = consumed_ % kReceiveBytes;
      std::uint64_t to_end = kReceiveBytes - at;
      std::uint64_t limit = waiting < to_end ? waiting : to_end;
      ReceivedRecord record{};
      std::memcpy(&record.header, ring_->bytes + at,
                  limit < sizeof(RecordHeader) ? kRecordAlign : sizeof(RecordHeader));
      const RecordHeader& header = record.header;
      if (header.size < kRecordAlign || header.size > limit || header.size % kRecordAlign != 0)
        return Status::kCorrupt;
      if (header.kind == RecordKind::kPad) {
        if (header.size != to_end)
          return Status::kCorrupt;
        size_ = header.size;
        Drop();
        continue;
      }
      if (header.size < sizeof(RecordHeader) ||
          header.length > header.size - sizeof(RecordHeader) || header.length > kMaxMessage)
        return Status::kCorrupt;
      record.payload = reinterpret_cast<const std::byte*>(ring_->bytes + at + sizeof(RecordHeader));
      size_ = header.size;
      return record;
    }
  }
  // Gives the room of the last Front() back. TakeWake: must the daemon be kicked, it waits for
  // room?
  void Drop() {
    consumed_ += size_;
    size_ = 0;
    RingSleep<>::Publish(ring_->consumer.consumed, consumed_);
  }
  bool TakeWake() { return RingSleep<>::TakeWake(ring_->producer.producer_waits); }

  void Announce() { RingSleep<>::Announce(ring_->consumer.consumer_sleeps); }
  void Retract() { RingSleep<>::Retract(ring_->consumer.consumer_sleeps); }

 private:
  ReceiveRingMemory* ring_ = nullptr;
  std::uint64_t consumed_ = 0;
  std::uint32_t size_ = 0;  // of the record at the front
};

}  // namespace k42::abi
