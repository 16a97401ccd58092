#include "cluster-services/offload/session.h"

#include <cstring>

#include "interconnect/unix_socket.h"

namespace k42::offload {

using interconnect::Transfer;

namespace {
constexpr std::size_t kBootIdSize = 16;
constexpr int kPacketsAtOnce = 64;
}  // namespace

void Session::Drop() {
  socket_.Reset();
  unsent_.clear();
  greeted_ = false;
}

void Session::Accept() {
  auto socket = interconnect::AcceptUnix(listener_.get());
  if (!socket)
    return;
  Drop();
  socket_ = std::move(socket);
}

void Session::Send(const abi::OffloadHeader& header, std::span<const std::byte> payload) {
  if (!socket_ || !greeted_)
    return;
  auto first = std::as_bytes(std::span(&header, 1));
  std::vector<std::byte> packet(first.begin(), first.end());
  packet.insert(packet.end(), payload.begin(), payload.end());
  unsent_.push_back(std::move(packet));
  Flush();
}

void Session::Flush() {
  while (socket_ && !unsent_.empty()) {
    switch (interconnect::SendUnix(socket_.get(), unsent_.front(), {})) {
      case Transfer::kDone:
        unsent_.pop_front();
        break;
      case Transfer::kAgain:
        return;
      case Transfer::kClosed:
        return Drop();
    }
  }
}

bool Session::Greet(Bridge& bridge, const abi::OffloadHeader& header,
                    std::span<const std::byte> payload) {
  if (header.kind != abi::OffloadKind::kHello || payload.size() != kBootIdSize)
    return false;
  greeted_ = true;
  abi::OffloadHeader answer{};
  answer.kind = abi::OffloadKind::kHello;
  answer.position = life_;
  answer.limit = bridge.OnSession(payload);
  Send(answer, {});
  return true;
}

void Session::Receive(Bridge& bridge) {
  std::byte packet[abi::kOffloadPacket];
  for (int i = 0; i < kPacketsAtOnce && socket_ && !full(); ++i) {
    std::size_t size = 0;
    std::vector<interconnect::UniqueFd> luggage;  // closed: nobody passes us anything
    const Transfer transfer = interconnect::ReceiveUnix(socket_.get(), packet, &size, &luggage);
    if (transfer == Transfer::kAgain)
      return;
    abi::OffloadHeader header;
    if (transfer == Transfer::kClosed || size < sizeof header)
      return Drop();
    std::memcpy(&header, packet, sizeof header);
    const auto payload = std::span<const std::byte>(packet, size).subspan(sizeof header);
    if (greeted_)
      bridge.OnMessage(header, payload);
    else if (!Greet(bridge, header, payload))
      return Drop();
  }
}

}  // namespace k42::offload
