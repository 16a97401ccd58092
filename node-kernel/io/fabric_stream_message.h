// What the two ends of a fabric stream say to each other, beside the data itself.
//
// Control messages travel on the stream channel of an endpoint: in order, at most once while the
// endpoint is up. Data goes by put_notify into the receiver's ring; the notification's word carries
// the receiver's stream id, the new tail and the put's length. Every message names absolute
// positions in the byte stream, so that one repeated after a daemon's restart changes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/result.h"

namespace k42::io {

// One end of a stream at its node: index and generation, so that what is late for a closed stream
// does not reach its successor. Zero is no stream.
using StreamId = std::uint32_t;
inline constexpr unsigned kStreamIndexBits = 16;
inline constexpr unsigned kStreamGenerationBits = 8;

constexpr StreamId MakeStreamId(std::uint32_t index, std::uint32_t generation) {
  return (generation & 0xff) << kStreamIndexBits | (index & 0xffff);
}
constexpr std::uint32_t StreamIndex(StreamId id) {
  return id & 0xffff;
}

enum class StreamMessageKind : std::uint16_t {
  kOpen = 1,        // client -> port: from, ports, client's ring
  kOpened = 2,      // server -> client: to, from, server's ring
  kRefused = 3,     // server -> client: `status` says why; kBusy asks to try again
  kCredit = 4,      // position: consumed up to here, so much of the ring is free again
  kFinish = 5,      // position: the stream ends here
  kReset = 6,       // both directions are over, data not yet read is lost
  kTail = 7,        // position: data up to here is in your ring (its notification may be lost)
  kFinishSeen = 8,  // all up to your finish is here: you need not be there to say it again
};

struct StreamMessage {
  std::uint16_t version = kVersion;
  StreamMessageKind kind = StreamMessageKind::kReset;
  std::uint16_t to_port = 0;
  std::uint16_t from_port = 0;
  StreamId to = 0;
  StreamId from = 0;
  std::uint64_t window = 0;  // the sender's receive ring, as the fabric names it
  std::uint32_t window_size = 0;
  std::uint32_t reserved = 0;
  std::uint64_t position = 0;
  Status status = Status::kOk;

  static constexpr std::uint16_t kVersion = 1;
};
static_assert(sizeof(StreamMessage) == 48);

inline constexpr std::uint32_t kMinimumStreamRing = 4096;
inline constexpr std::uint32_t kMaximumStreamRing = 256 << 10;

// A message as it came from a peer, checked for shape.
inline Status ParseStreamMessage(std::span<const std::byte> bytes, StreamMessage* out) {
  if (bytes.size() != sizeof(StreamMessage))
    return Status::kCorrupt;
  std::memcpy(out, bytes.data(), sizeof(StreamMessage));
  if (out->version != StreamMessage::kVersion)
    return Status::kVersionMismatch;
  if (out->kind < StreamMessageKind::kOpen || out->kind > StreamMessageKind::kFinishSeen)
    return Status::kCorrupt;
  bool carries_ring =
      out->kind == StreamMessageKind::kOpen || out->kind == StreamMessageKind::kOpened;
  if (carries_ring) {
    std::uint32_t size = out->window_size;
    bool power_of_two = size != 0 && (size & (size - 1)) == 0;
    if (!power_of_two || size < kMinimumStreamRing || size > kMaximumStreamRing || out->from == 0)
      return Status::kCorrupt;
  }
  return Status::kOk;
}

// The word of a put_notify: receiver's stream id, how many bytes the put brought, and the low bits
// of the new tail. The ring is at most 256 KiB, so the receiver knows the rest. With the length it
// sees whether something before is missing: when a way breaks, a put may be lost and a later one
// arrive.
inline constexpr unsigned kTailBits = 21;
inline constexpr unsigned kLengthBits = 19;
inline constexpr std::uint64_t kTailMask = (std::uint64_t{1} << kTailBits) - 1;
inline constexpr std::uint64_t kLengthMask = (std::uint64_t{1} << kLengthBits) - 1;
static_assert(kStreamIndexBits + kStreamGenerationBits + kTailBits + kLengthBits == 64);
static_assert(kMaximumStreamRing <= kLengthMask && 2 * kMaximumStreamRing < kTailMask);

constexpr std::uint64_t MakeDataWord(StreamId to, std::uint64_t tail, std::uint64_t length) {
  return std::uint64_t{to} << (kTailBits + kLengthBits) | (length & kLengthMask) << kTailBits |
         (tail & kTailMask);
}
constexpr StreamId DataWordStream(std::uint64_t word) {
  return static_cast<StreamId>(word >> (kTailBits + kLengthBits));
}
constexpr std::uint64_t DataWordLength(std::uint64_t word) {
  return word >> kTailBits & kLengthMask;
}
// The tail that `word` means, given a tail known before: the nearest one at or after it, or before
// it for a repeated notification.
constexpr std::uint64_t DataWordTail(std::uint64_t word, std::uint64_t known) {
  std::uint64_t delta = (word - known) & kTailMask;
  bool behind = delta > kTailMask / 2;
  return behind ? known - ((known - word) & kTailMask) : known + delta;
}

}  // namespace k42::io
