// The two ends of a submit ring (link_ring.h): operation ids from one CPU's kernel to the daemon.
// Each end is used by one thread at a time.
#pragma once

#include <cstdint>

#include "abi/link_ring.h"
#include "abi/ring_sleep.h"
#include "base/load_once.h"
#include "base/result.h"

namespace k42::abi {

class SubmitProducer {
 public:
  constexpr SubmitProducer() = default;  // attached to nothing: only to be assigned
  explicit SubmitProducer(SubmitRingMemory& ring) : ring_(&ring) {}

  // kBusy: full, which only a kernel that reuses an operation before its end can see.
  Status Push(std::uint64_t operation_id) {
    std::uint64_t consumed = ring_->consumer.consumed.load(std::memory_order_acquire);
    if (consumed > produced_ || produced_ - consumed > kSubmitEntries)
      return Status::kCorrupt;
    if (produced_ - consumed == kSubmitEntries)
      return Status::kBusy;
    ring_->entries[produced_ % kSubmitEntries] = operation_id;
    RingSleep<>::Publish(ring_->producer.produced, ++produced_);
    return Status::kOk;
  }
  // After one or more Push: must the daemon be kicked?
  bool TakeWake() { return RingSleep<>::TakeWake(ring_->consumer.consumer_sleeps); }

 private:
  SubmitRingMemory* ring_ = nullptr;
  std::uint64_t produced_ = 0;
};

class SubmitConsumer {
 public:
  SubmitConsumer() = default;  // attached to nothing: only to be assigned
  // Takes over where the words in the ring say that a predecessor stopped.
  static Result<SubmitConsumer> Adopt(SubmitRingMemory& ring) {
    SubmitConsumer consumer(ring, ring.consumer.consumed.load(std::memory_order_relaxed));
    TRY(consumer.Available());
    return consumer;
  }

  // How many ids wait.
  Result<std::uint64_t> Available() const {
    std::uint64_t produced = RingSleep<>::Progress(ring_->producer.produced);
    if (produced < consumed_ || produced - consumed_ > kSubmitEntries)
      return Status::kCorrupt;
    return produced - consumed_;
  }
  // The next id, still in the ring (kWouldBlock: none). Drop() removes it: after the slot is marked
  // as taken, so that a daemon killed in between leaves either the one or the other.
  Result<std::uint64_t> Front() const {
    if (TRY(Available()) == 0)
      return Status::kWouldBlock;
    return LoadOnce(ring_->entries[consumed_ % kSubmitEntries]);
  }
  void Drop() { ring_->consumer.consumed.store(++consumed_, std::memory_order_release); }

  // Sleep protocol: Announce, then Available() once more.
  void Announce() { RingSleep<>::Announce(ring_->consumer.consumer_sleeps); }
  void Retract() { RingSleep<>::Retract(ring_->consumer.consumer_sleeps); }

 private:
  SubmitConsumer(SubmitRingMemory& ring, std::uint64_t consumed)
      : ring_(&ring), consumed_(consumed) {}

  SubmitRingMemory* ring_ = nullptr;
  std::uint64_t consumed_ = 0;
};

}  // namespace k42::abi
