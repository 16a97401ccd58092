#include "global/link_control.h"

#include <cstring>

#include "mem/heap.h"

namespace k42::global {
namespace {

// A message on its way, payload behind it; frees itself at its end.
struct Outgoing : LinkRequest {
  std::size_t size = 0;  // of the whole block
};

void Sent(LinkRequest& request) {
  auto* outgoing = static_cast<Outgoing*>(&request);
  const std::size_t size = outgoing->size;
  outgoing->~Outgoing();
  mem::Free(outgoing, size);
}

}  // namespace

void LinkControl::SetHandler(abi::ControlKind kind, ControlHandler& handler) {
  handlers_[static_cast<std::uint32_t>(kind)] = &handler;
}

Status LinkControl::Send(abi::ControlKind kind, std::uint64_t number, Bytes head, Bytes body) {
  if (!port_.started())
    return Status::kUnavailable;
  const std::size_t length = head.size() + body.size();
  if (length > abi::kMaxMessage - sizeof(abi::Frame))
    return Status::kMessageTooLong;
  const std::size_t size = sizeof(Outgoing) + length;
  void* block = mem::Allocate(size);
  if (block == nullptr)
    return Status::kNoMemory;
  auto* outgoing = new (block) Outgoing;
  auto* bytes = static_cast<std::byte*>(block) + sizeof(Outgoing);
  if (!head.empty())
    std::memcpy(bytes, head.data(), head.size());
  if (!body.empty())
    std::memcpy(bytes + head.size(), body.data(), body.size());
  outgoing->size = size;
  outgoing->channel = abi::Channel::kControl;
  outgoing->peer = {abi::kDaemonNode, 0};
  outgoing->frame.kind = abi::FrameKind::kControl;
  outgoing->frame.method = static_cast<std::uint32_t>(kind);
  outgoing->frame.sequence = number;
  outgoing->payload = {bytes, length};
  outgoing->done = Sent;
  port_.Submit(*outgoing);
  return Status::kOk;
}

void LinkControl::OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload) {
  if (from.node != abi::kDaemonNode || frame.kind != abi::FrameKind::kControl ||
      frame.method >= kKinds || handlers_[frame.method] == nullptr)
    return;
  handlers_[frame.method]->OnControl(static_cast<abi::ControlKind>(frame.method), frame.sequence,
                                     payload);
}

}  // namespace k42::global
