#include "global/link_endpoint.h"

#include <cstring>
#include <new>

namespace k42::global {

struct LinkEndpoint::Letter : LinkRequest {
  LinkEndpoint* endpoint = nullptr;
  std::size_t size = 0;  // of the block: this and the payload's copy
  std::byte* copy() { return reinterpret_cast<std::byte*>(this + 1); }
};

Status LinkEndpoint::Send(LinkPeer peer, std::uint32_t receiver_cpu, const abi::Frame& frame,
                          Bytes payload) {
  if (!port_.started() || !port_.Up())
    return Status::kEndpointDown;
  const std::size_t size = sizeof(Letter) + payload.size();
  void* block = allocator_.Allocate(size, alignof(Letter));
  if (block == nullptr)
    return Status::kNoMemory;
  auto* letter = ::new (block) Letter;
  letter->endpoint = this;
  letter->size = size;
  letter->channel = abi::Channel::kCall;
  letter->flags = abi::kQuietEnd;
  letter->peer = peer;
  letter->receiver_cpu = receiver_cpu;
  letter->budget_ns = kSendBudgetNs;
  letter->frame = frame;
  if (!payload.empty())
    std::memcpy(letter->copy(), payload.data(), payload.size());
  letter->payload = Bytes(letter->copy(), payload.size());
  letter->done = [](LinkRequest& request) {
    auto& ended = static_cast<Letter&>(request);
    Allocator& allocator = ended.endpoint->allocator_;
    const std::size_t bytes = ended.size;
    ended.~Letter();
    allocator.Free(&ended, bytes);
  };
  port_.Submit(*letter);
  return Status::kOk;
}

}  // namespace k42::global
