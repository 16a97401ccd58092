// The rings between a kernel and its daemon: memory layout, and what the records are.
//
// One pair per CPU, each with one producer and one consumer, so no lock and no contended line.
// Indices count for ever (64 bits never wrap); the place is index modulo capacity. A side keeps its
// own index in private memory and publishes it; the other side's word is loaded once and must lie
// within [own view, own view + capacity], or the link is broken (kCorrupt).
//
//   submit ring   kernel -> daemon   operation ids. Twice as many places as a CPU has operations:
//                                    it cannot be full.
//   receive ring  daemon -> kernel   records of bytes: messages, completions, notifications. It can
//                                    be full; the daemon then waits for `consumed`
//                                    (producer_waits).
//
// The classes that work on them: submit_ring.h, receive_ring.h. Sleeping: ring_sleep.h.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "abi/link_operation.h"

namespace k42::abi {

struct RingProducerLine {
  alignas(kCacheLine) std::atomic<std::uint64_t> produced;
  std::atomic<std::uint32_t> producer_waits;  // announced by the producer: ring when consumed moves
};
struct RingConsumerLine {
  alignas(kCacheLine) std::atomic<std::uint64_t> consumed;
  std::atomic<std::uint32_t>
      consumer_sleeps;  // announced by the consumer: ring when produced moves
};

inline constexpr std::uint32_t kSubmitEntries = 128;
static_assert(kSubmitEntries >= 2 * kOperationsPerCpu);

struct SubmitRingMemory {
  RingProducerLine producer;
  RingConsumerLine consumer;
  alignas(kCacheLine) std::uint64_t entries[kSubmitEntries];
};

inline constexpr std::uint32_t kReceiveBytes = 64 * 1024;
inline constexpr std::uint32_t kRecordAlign = 16;

struct ReceiveRingMemory {
  RingProducerLine producer;
  RingConsumerLine consumer;
  alignas(kCacheLine) unsigned char bytes[kReceiveBytes];
};
static_assert(kMaxMessage * 2 < kReceiveBytes);

enum class RecordKind : std::uint16_t {
  kPad = 1,         // nothing: fills the end of the ring
  kMessage = 2,     // frame and payload from peer_node (kDaemonNode: the own daemon)
  kCompletion = 3,  // value: operation id; look into its slot
  kNotify = 4,      // value: the operand of the peer's kPutNotify; the data is visible
  kPeerDown = 5,    // endpoint to (peer_node, peer_incarnation) closed; value: Status
};

struct RecordHeader {
  std::uint32_t size;  // of the record, this header included; multiple of kRecordAlign
  RecordKind kind;
  std::uint16_t channel;
  std::uint32_t peer_node;
  std::uint32_t length;  // bytes of payload behind the header
  std::uint64_t peer_incarnation;
  std::uint64_t value;
};
static_assert(sizeof(RecordHeader) == 32);

}  // namespace k42::abi
