// What the rest of the kernel asks of the fabric, and what the fabric brings to it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/frame.h"
#include "abi/link_operation.h"
#include "base/bytes.h"
#include "base/intrusive_queue.h"

namespace k42::global {

// One life of a node.
struct LinkPeer {
  std::uint32_t node = 0;
  std::uint64_t incarnation = 0;

  constexpr bool operator==(const LinkPeer&) const = default;
};

// One operation, owned by who asks, from Submit until `done` is called (on the CPU of the Submit,
// by its link thread: do little, wake somebody). The operation itself may outlive its budget:
// memory it names is the fabric's until `done`.
struct LinkRequest : QueueLink<> {
  abi::OperationKind kind = abi::OperationKind::kSend;
  abi::Channel channel = abi::Channel::kCall;
  std::uint32_t flags = 0;  // abi::OperationFlags; kQuietEnd: `done` may come late, if it is good
  LinkPeer peer;
  std::uint32_t receiver_cpu = 0;
  std::uint64_t budget_ns = 0;

  // kSend: kind, method, call id, class and so on are the sender's; the port fills in sizes, nodes,
  // incarnations and epoch. The payload is copied when the operation is issued, so it must stay.
  abi::Frame frame{};
  Bytes payload;

  // The others. Offsets are in the arena, inside its data area.
  std::uint64_t local_offset = 0;
  std::uint32_t length = 0;
  abi::WindowId window = 0;
  std::uint64_t remote_offset = 0;
  std::uint64_t operand = 0;
  std::uint64_t compare = 0;

  void (*done)(LinkRequest&) = nullptr;
  abi::Outcome outcome = abi::Outcome::kNone;
  Status status = Status::kOk;
  std::uint64_t value = 0;
};

// Of OnPeerDown: has the peer itself gone, and not only the way to it? Breaks have many reasons (a
// neighbour that was too slow, bytes that made no sense): after them it may be reached again.
constexpr bool PeerIsGone(Status why) {
  return why == Status::kNodeDead;
}

// Who hears what arrives on a channel. Called by the link thread of the CPU that the sender named,
// so it must not block. `payload` is the ring's memory: copy what is checked.
class LinkReceiver {
 public:
  virtual void OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload) = 0;
  virtual void OnNotify(LinkPeer /*from*/, std::uint64_t /*word*/) {}
  // The endpoint broke, or the peer left the view (kNodeDead). On every CPU.
  virtual void OnPeerDown(LinkPeer /*peer*/, Status /*why*/) {}
  // The own daemon is a new one. Operations under way are settled by it; but what had left its
  // predecessor's hands, in either direction, may be lost without an end that says so. On one CPU.
  virtual void OnDaemonChanged() {}

 protected:
  ~LinkReceiver() = default;
};

}  // namespace k42::global
