// The frame before every message between nodes, and between a kernel and its own daemon.
//
// Written by the sending kernel, so that the epoch is what the *kernel* knew. The sending daemon
// refuses a frame that does not name its own node and incarnation as the sender (a kernel cannot
// speak for another); the receiver refuses a wrong receiver incarnation (kStaleIncarnation), a
// sender outside its view (kNotInView) and a version it does not know. A newer epoch makes the
// receiver fetch the view; an older one alone is no reason to refuse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "abi/link_operation.h"
#include "base/result.h"

namespace k42::abi {

inline constexpr std::uint32_t kFrameMagic = 0x4632'344b;  // "K42F"
inline constexpr std::uint16_t kFrameVersion = 1;

enum class FrameKind : std::uint16_t {
  kCall = 1,    // expects a kReply with the same call id
  kReply = 2,   // `status` is the call's
  kOneWay = 3,  // retire, acknowledgements, stream control
  kEcho = 4,    // answered at once by kEchoReply with the same payload
  kEchoReply = 5,
  kControl = 6,  // to or from the own daemon; `method` is a ControlKind (link_control.h)
};

struct Frame {
  std::uint32_t magic;
  std::uint16_t version;
  FrameKind kind;
  std::uint32_t payload_size;
  std::uint32_t method;
  std::uint32_t sender_node;
  std::uint32_t receiver_node;
  std::uint64_t sender_incarnation;
  std::uint64_t receiver_incarnation;
  std::uint64_t epoch;  // revision of the view, as the sending kernel knew it

  // Call id: (sender node and incarnation, cpu, sequence). A reply carries the caller's cpu and
  // sequence, so that it finds its way without a table.
  std::uint64_t sequence;
  std::uint32_t cpu;         // caller's
  std::uint32_t target_cpu;  // whose receive ring
  std::uint64_t budget_ns;   // time left for the call when it was sent; clocks are not compared
  std::uint64_t class_digest;
  std::uint32_t class_version;
  std::uint32_t reserved;
  std::uint64_t object[2];  // the global id, opaque here
  Status status;            // replies
};
static_assert(sizeof(Frame) == 112);

// The frame at the start of a message, checked for shape (not for incarnation or view: that is its
// receiver's business). `message` is frame and payload.
inline Result<std::uint32_t> CheckFrame(std::span<const std::byte> message, Frame* out) {
  if (message.size() < sizeof(Frame) || message.size() > kMaxMessage)
    return Status::kCorrupt;
  std::memcpy(out, message.data(), sizeof(Frame));
  if (out->magic != kFrameMagic)
    return Status::kCorrupt;
  if (out->version != kFrameVersion)
    return Status::kVersionMismatch;
  if (out->payload_size != message.size() - sizeof(Frame))
    return Status::kCorrupt;
  auto kind = static_cast<std::uint16_t>(out->kind);
  if (kind < static_cast<std::uint16_t>(FrameKind::kCall) ||
      kind > static_cast<std::uint16_t>(FrameKind::kControl))
    return Status::kCorrupt;
  return out->payload_size;
}

}  // namespace k42::abi
