// The mapped transport's own side of an endpoint: connect, prove, map, carry requests out.
#include <sys/epoll.h>
#include <sys/socket.h>

#include "interconnect/mapped_transport.h"
#include "interconnect/memory_operation.h"

namespace k42::interconnect {
namespace {

constexpr std::uint64_t kRetryNs = 50'000'000;
constexpr std::uint64_t kHandshakeNs = 5'000'000'000;

PacketHeader Header(PacketType type, std::uint64_t word = 0) {
  return {.type = type, .channel = 0, .reserved = 0, .receiver_cpu = 0, .length = 0, .word = word};
}

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

void MappedTransport::Connect(Outgoing& to) {
  std::uint64_t now = clock_.NowNs();
  to.next_try_ns = now + kRetryNs;
  UniqueFd socket = ConnectUnix(to.peer.address, SOCK_SEQPACKET);
  if (!socket)
    return;
  to.handshake.emplace(self_, to.peer);
  Hello hello = to.handshake->Start();
  if (SendPacket(socket.get(), Header(PacketType::kHello), BytesOf(hello)) != Transfer::kDone)
    return;
  to.socket = std::move(socket);
  to.state = Outgoing::State::kHelloSent;
  to.give_up_ns = now + kHandshakeNs;
  sockets_[to.socket.get()] = to.peer.id;
  Watch(to.socket.get(), EPOLLIN, true);
}

void MappedTransport::OnOutgoingPacket(Outgoing& to, const PacketHeader& packet,
                                       std::span<const std::byte> body,
                                       std::vector<UniqueFd>& fds) {
  using State = Outgoing::State;
  if (packet.type == PacketType::kWelcome && to.state == State::kHelloSent) {
    Confirm confirm;
    Status status = to.handshake->OnWelcome(body, &confirm);
    if (status == Status::kOk && SendPacket(to.socket.get(), Header(PacketType::kConfirm),
                                            BytesOf(confirm)) == Transfer::kDone)
      to.state = State::kConfirmed;
    else
      Break(to, status == Status::kOk ? Status::kEndpointDown : status);
    return;
  }
  if (packet.type == PacketType::kReady && to.state == State::kConfirmed) {
    ArenaPlace place;
    if (body.size() != sizeof place || fds.size() != 1)
      return Break(to, Status::kCorrupt);
    std::memcpy(&place, body.data(), sizeof place);
    to.arena = Arena::Map(fds[0].get(), place.offset, place.size);
    if (to.arena == nullptr || to.arena->CheckHeader() != Status::kOk)
      return Break(to, Status::kCorrupt);
    to.state = State::kUp;
    return Drain(to);
  }
  if (packet.type == PacketType::kRevoke && to.state == State::kUp) {
    // One thread does all copies: none is under way now, and the window's new generation refuses
    // the next one.
    if (SendPacket(to.socket.get(), Header(PacketType::kRevoked, packet.word)) != Transfer::kDone)
      Break(to, Status::kEndpointDown);
    return;
  }
  if (packet.type == PacketType::kRefused && to.state != State::kUp) {
    // Not in its view yet, or its kernel is not up: the same attempt later, until the deadlines of
    // what waits.
    sockets_.erase(to.socket.get());
    to.socket.Reset();
    to.state = State::kIdle;
    to.next_try_ns = clock_.NowNs() + kRetryNs;
    return;
  }
  Break(to, Status::kCorrupt);
}

void MappedTransport::Drain(Outgoing& to) {
  while (to.state == Outgoing::State::kUp && !to.blocked && !to.queue.empty()) {
    Request request = to.queue.front();
    Transfer transfer = Execute(to, request);
    if (transfer == Transfer::kAgain) {
      to.blocked = true;
      Watch(to.socket.get(), EPOLLIN | EPOLLOUT, false);
      return;
    }
    if (transfer == Transfer::kClosed) {
      Break(to, Status::kEndpointDown);
      return;
    }
  }
}

// Takes the request from the queue unless the socket is full or closed.
Transfer MappedTransport::Execute(Outgoing& to, const Request& request) {
  ++delivered_;
  if (std::uint64_t now = clock_.NowNs();
      !to.begun && request.deadline_ns != 0 && now >= request.deadline_ns) {
    to.queue.PopFront();
    End(events_, request, Outcome::kNotSent, Status::kTimedOut);
    return Transfer::kDone;
  }
  std::uint64_t value = 0;
  if (AccessNeeded(request.kind) != 0 && !to.begun) {
    Places places;
    Status status = FindPlaces(arena_, *to.arena, self_.self, request, &places);
    if (status != Status::kOk) {
      to.queue.PopFront();
      End(events_, request, Outcome::kNotSent, status);
      return Transfer::kDone;
    }
    value = Perform(request, places);
  }
  PacketHeader packet = Header(PacketType::kNotify, request.operand);
  packet.channel = static_cast<std::uint16_t>(request.channel);
  packet.receiver_cpu = request.receiver_cpu;
  Transfer transfer = Transfer::kDone;
  if (request.kind == OperationKind::kPutNotify) {
    transfer = SendPacket(to.socket.get(), packet);
  } else if (request.kind == OperationKind::kSend) {
    packet.type = PacketType::kMessage;
    transfer =
        SendPacket(to.socket.get(), packet, {arena_.At(request.local_offset), request.length});
  }
  to.begun = transfer != Transfer::kDone && request.kind == OperationKind::kPutNotify;
  if (transfer != Transfer::kDone)
    return transfer;
  to.queue.PopFront();
  End(events_, request, Outcome::kDone, Status::kOk, value);
  return Transfer::kDone;
}

// Ends the endpoint. What waited was never sent, but for the bytes of a put whose word was not.
// Unmaps before it closes (see mapped_transport.h).
void MappedTransport::Break(Outgoing& to, Status why) {
  bool was_up = to.state == Outgoing::State::kUp;
  to.arena.reset();
  sockets_.erase(to.socket.get());
  to.socket.Reset();
  to.state = Outgoing::State::kIdle;
  to.blocked = false;
  to.next_try_ns = clock_.NowNs() + kRetryNs;
  PeerId peer = to.peer.id;
  if (std::exchange(to.begun, false)) {
    Request half = to.queue.front();
    to.queue.PopFront();
    End(events_, half, Outcome::kUnknown, why);
  }
  to.queue.FailAll(why, events_);
  if (was_up)
    events_.OnPeerDown(peer, why);
}

}  // namespace k42::interconnect
