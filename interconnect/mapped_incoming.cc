// The mapped transport's accepted connections: let members in, hear them, make them let go.
#include <sys/epoll.h>
#include <sys/socket.h>

#include "interconnect/mapped_transport.h"

namespace k42::interconnect {
namespace {

constexpr std::uint64_t kHandshakeNs = 5'000'000'000;
constexpr std::size_t kMaxIncoming = 1024;

PacketHeader Header(PacketType type, std::uint64_t word = 0) {
  return {.type = type, .channel = 0, .reserved = 0, .receiver_cpu = 0, .length = 0, .word = word};
}

}  // namespace

void MappedTransport::Accept() {
  UniqueFd socket = AcceptUnix(listener_.get());
  if (!socket || incoming_.size() >= kMaxIncoming)
    return;
  int fd = socket.get();
  Incoming& from = incoming_[fd];
  from.socket = std::move(socket);
  from.give_up_ns = clock_.NowNs() + kHandshakeNs;
  Watch(fd, EPOLLIN, true);
}

void MappedTransport::OnHello(Incoming& from, std::span<const std::byte> body) {
  Hello hello;
  if (Status status = ParseHello(body, &hello); status != Status::kOk)
    return Refuse(from, status);
  auto known = outgoing_.find(hello.Sender());
  if (known == outgoing_.end())
    return Refuse(from, Status::kNotInView);
  if (arena_.CheckHeader() != Status::kOk)
    return Refuse(from, Status::kUnavailable);
  Welcome welcome;
  from.handshake.emplace(self_);
  if (Status status = from.handshake->OnHello(hello, known->second.peer, &welcome);
      status != Status::kOk)
    return Refuse(from, status);
  from.peer = hello.Sender();
  from.state = Incoming::State::kWelcomed;
  if (SendPacket(from.socket.get(), Header(PacketType::kWelcome),
                 std::as_bytes(std::span(&welcome, 1))) != Transfer::kDone)
    Drop(from, Status::kEndpointDown);
}

void MappedTransport::OnIncomingPacket(Incoming& from, const PacketHeader& packet,
                                       std::span<const std::byte> body) {
  using State = Incoming::State;
  switch (from.state) {
    case State::kNew:
      if (packet.type != PacketType::kHello)
        return Refuse(from, Status::kCorrupt);
      return OnHello(from, body);
    case State::kWelcomed: {
      Status status =
          packet.type == PacketType::kConfirm ? from.handshake->OnConfirm(body) : Status::kCorrupt;
      if (status != Status::kOk)
        return Refuse(from, status);
      if (!GiveArena(from))
        return;
      // What an earlier connection of this peer still holds is late now.
      for (auto& [fd, other] : incoming_) {
        if (&other != &from && other.peer == from.peer && other.state == State::kUp)
          Linger(other);
      }
      return;
    }
    case State::kLingering:
      return;  // removed: nothing from it is heard
    case State::kUp:
      if (!std::exchange(from.spoke, true))
        holders_.Spoke(*from.holder);
      break;
  }
  switch (packet.type) {
    case PacketType::kMessage:
      return events_.OnMessage(from.peer, static_cast<abi::Channel>(packet.channel),
                               packet.receiver_cpu, body);
    case PacketType::kNotify:
      return events_.OnNotify(from.peer, static_cast<abi::Channel>(packet.channel),
                              packet.receiver_cpu, packet.word);
    case PacketType::kRevoked:
      return Revoked(from.socket.get(), &packet.word);
    default:
      return Drop(from, Status::kCorrupt);
  }
}

bool MappedTransport::GiveArena(Incoming& from) {
  const ArenaHolders::Process process = ArenaHolders::PeerOf(from.socket.get());
  if (process.id == 0) {
    Refuse(from, Status::kPermissionDenied);  // nobody could tell when it has let go
    return false;
  }
  std::vector<ArenaHolders::Slot> let_go;
  const auto slot = holders_.Enter(process, &let_go);
  for (const ArenaHolders::Slot heir : let_go) {
    awaited_.erase(heir);
    Revoked(HeirNumber(heir), nullptr);
  }
  if (!slot.ok()) {
    Refuse(from, slot.status());
    return false;
  }
  from.holder = slot.value();
  const ArenaPlace place{arena_.file_offset(), arena_.size()};
  if (SendPacket(from.socket.get(), Header(PacketType::kReady), std::as_bytes(std::span(&place, 1)),
                 arena_.fd()) != Transfer::kDone) {
    Drop(from, Status::kEndpointDown);
    return false;
  }
  from.state = Incoming::State::kUp;
  return true;
}

void MappedTransport::Refuse(Incoming& from, Status why) {
  SendPacket(from.socket.get(), Header(PacketType::kRefused, static_cast<std::uint64_t>(why)));
  Drop(from, why);
}

// Unheard from now on: it closes in turn, and that is what we wait for (its end is always told).
void MappedTransport::Linger(Incoming& from) {
  from.state = Incoming::State::kLingering;
  shutdown(from.socket.get(), SHUT_WR);
  Watch(from.socket.get(), 0, false);
}

// After end of file (kEndpointDown), or before the peer has got our arena: it has no mapping. One
// that has it and misbehaves is shut and lingers.
void MappedTransport::Drop(Incoming& from, Status why) {
  int fd = from.socket.get();
  PeerId peer = from.peer;
  bool was_up = from.state == Incoming::State::kUp;
  bool has_arena = was_up || from.state == Incoming::State::kLingering;
  if (has_arena && why != Status::kEndpointDown) {
    Linger(from);
  } else {
    if (from.holder)
      holders_.Leave(*from.holder);
    Revoked(fd, nullptr);
    incoming_.erase(fd);
  }
  if (was_up)
    events_.OnPeerDown(peer, why);
}

// The connection, or the heir, has let go of one window, or (nullptr) of everything.
void MappedTransport::Revoked(int holder, const abi::WindowId* window) {
  for (Token token : revocations_.Returned(holder, window))
    events_.OnCompletion({token, Outcome::kDone, Status::kOk, 0});
}

void MappedTransport::LookForHeirs() {
  look_for_heirs_ns_ = clock_.NowNs() + kLookForHeirsNs;
  for (const ArenaHolders::Slot slot : std::set<ArenaHolders::Slot>(awaited_)) {
    if (holders_.HeirHolds(slot))
      continue;
    awaited_.erase(slot);
    Revoked(HeirNumber(slot), nullptr);
  }
}

}  // namespace k42::interconnect
