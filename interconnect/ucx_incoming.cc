// The UCX transport as target: let members in, perform their requests in order, answer.
#include <openssl/rand.h>

#include <cstdlib>

#include "interconnect/memory_operation.h"
#include "interconnect/ucx_transport.h"

namespace k42::interconnect {
namespace {

constexpr std::size_t kMaxReordered = 1024;

}  // namespace

std::uint64_t UcxTransport::RandomNumber() {
  std::uint64_t number = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof number) != 1)
    std::abort();
  return number | 1;
}

void UcxTransport::OnHello(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body) {
  Hello hello;
  Welcome welcome;
  Status status = ParseHello(body, &hello);
  if (status == Status::kOk && hello.Sender() != peer.info.id)
    status = Status::kCorrupt;
  if (status == Status::kOk) {
    peer.acceptor.emplace(self_);
    status = peer.acceptor->OnHello(hello, peer.info, &welcome);
  }
  if (status != Status::kOk) {
    UcxPacket refused = Packet(UcxPacketType::kRefused, packet.serial);
    refused.operand = static_cast<std::uint64_t>(status);
    return SendControl(peer, refused);
  }
  SendControl(peer, Packet(UcxPacketType::kWelcome, packet.serial),
              std::as_bytes(std::span(&welcome, 1)));
}

void UcxTransport::OnConfirm(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body) {
  if (!peer.acceptor.has_value() || peer.acceptor->OnConfirm(body) != Status::kOk)
    return;
  peer.acceptor.reset();
  peer.their_session = RandomNumber();
  peer.performed = 0;
  peer.reordered.clear();
  TakeBack(peer);  // what an earlier endpoint of its may still bring ends here
  UcxPacket ready = Packet(UcxPacketType::kReady, packet.serial);
  ready.session = peer.their_session;
  SendControl(peer, ready);
  AskForSession(peer);
}

// Performs the request when its turn has come, and those that waited for it.
void UcxTransport::OnRequest(Peer& peer, const UcxPacket& packet,
                             std::span<const std::byte> bytes) {
  if (peer.their_session == 0 || packet.session != peer.their_session) {
    // Of an earlier generation of this daemon, or of a broken endpoint: say so, perform nothing.
    UcxPacket refused = Packet(UcxPacketType::kRefused, packet.serial);
    refused.session = packet.session;
    refused.operand = static_cast<std::uint64_t>(Status::kEndpointDown);
    return SendControl(peer, refused);
  }
  if (packet.sequence <= peer.performed)
    return;  // at most once
  if (packet.sequence != peer.performed + 1) {
    if (peer.reordered.size() < kMaxReordered) {
      peer.reordered.try_emplace(packet.sequence, bytes.begin(), bytes.end());
    } else {
      SayGoodbye(peer);
      peer.failed = true;
    }
    return;
  }
  ++peer.performed;
  PerformRequest(peer, packet, bytes.subspan(sizeof(UcxPacket)));
  for (auto next = peer.reordered.begin();
       next != peer.reordered.end() && next->first == peer.performed + 1;
       next = peer.reordered.begin()) {
    std::vector<std::byte> kept = std::move(next->second);
    peer.reordered.erase(next);
    ++peer.performed;
    UcxPacket kept_packet;
    std::span<const std::byte> body;
    if (ParseUcxPacket(kept, &kept_packet, &body) == Status::kOk)
      PerformRequest(peer, kept_packet, body);
  }
}

void UcxTransport::PerformRequest(Peer& peer, const UcxPacket& packet,
                                  std::span<const std::byte> body) {
  PeerId from = peer.info.id;
  if (packet.type == UcxPacketType::kMessage)
    return events_.OnMessage(from, static_cast<abi::Channel>(packet.channel), packet.receiver_cpu,
                             body);
  if (packet.type == UcxPacketType::kFlush)
    return Answer(peer, packet, Status::kOk);

  std::uint32_t access = 0;
  std::uint64_t length = sizeof(std::uint64_t);
  Request request;
  switch (packet.type) {
    case UcxPacketType::kPut:
      access = abi::kAccessWrite;
      length = body.size();
      request.kind = OperationKind::kPut;
      break;
    case UcxPacketType::kGet:
      access = abi::kAccessRead;
      length = packet.length;
      request.kind = OperationKind::kGet;
      break;
    default:
      access = abi::kAccessAtomic;
      request.kind = packet.type == UcxPacketType::kFetchAdd ? OperationKind::kFetchAdd
                                                             : OperationKind::kCompareSwap;
      if (packet.offset % sizeof(std::uint64_t) != 0)
        return Answer(peer, packet, Status::kInvalidArgument);
  }
  auto place = arena_.Resolve(packet.window, from, packet.offset, length, access);
  if (!place.ok())
    return Answer(peer, packet, place.status());
  request.length = static_cast<std::uint32_t>(length);
  request.operand = packet.operand;
  request.compare = packet.compare;
  std::vector<std::byte> answer;
  if (request.kind == OperationKind::kGet)
    answer.resize(length);
  Places places{
      request.kind == OperationKind::kGet ? answer.data() : const_cast<std::byte*>(body.data()),
      arena_.At(place.value())};
  std::uint64_t value = Perform(request, places);
  if ((packet.flags & kNotifies) != 0)
    events_.OnNotify(from, static_cast<abi::Channel>(packet.channel), packet.receiver_cpu,
                     packet.operand);
  Answer(peer, packet, Status::kOk, value, std::move(answer));
}

void UcxTransport::Answer(Peer& peer, const UcxPacket& packet, Status status, std::uint64_t value,
                          std::vector<std::byte> body) {
  UcxPacket answer = Packet(UcxPacketType::kAnswer, packet.serial);
  answer.session = packet.session;
  answer.operand = static_cast<std::uint64_t>(status);
  answer.compare = value;
  SendControl(peer, answer, body);
}

}  // namespace k42::interconnect
