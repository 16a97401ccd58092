// The UCX transport as initiator: prove who we are, then carry requests out, in pieces.
#include <algorithm>

#include "interconnect/memory_operation.h"
#include "interconnect/ucx_transport.h"

namespace k42::interconnect {
namespace {

constexpr std::uint64_t kAttemptNs = 300'000'000;
constexpr std::uint64_t kProbeNs = 250'000'000;

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

UcxPacketType TypeOf(OperationKind kind) {
  switch (kind) {
    case OperationKind::kSend:
      return UcxPacketType::kMessage;
    case OperationKind::kPut:
    case OperationKind::kPutNotify:
      return UcxPacketType::kPut;
    case OperationKind::kGet:
      return UcxPacketType::kGet;
    case OperationKind::kFetchAdd:
      return UcxPacketType::kFetchAdd;
    case OperationKind::kCompareSwap:
      return UcxPacketType::kCompareSwap;
    default:
      return UcxPacketType::kFlush;
  }
}

}  // namespace

// A new attempt; an earlier one, if it is still answered, is ignored.
void UcxTransport::Try(Peer& peer) {
  peer.next_try_ns = clock_.NowNs() + kAttemptNs;
  peer.initiator.emplace(self_, peer.info);
  peer.state = State::kHelloSent;
  ++peer.attempt;
  SendControl(peer, Packet(UcxPacketType::kHello, peer.attempt), BytesOf(peer.initiator->Start()));
}

void UcxTransport::OnHandshakeAnswer(Peer& peer, const UcxPacket& packet,
                                     std::span<const std::byte> body) {
  if (packet.type == UcxPacketType::kRefused && packet.session != 0) {
    if (packet.session == peer.session) {
      SayGoodbye(peer);
      peer.failed = true;  // it does not know our session any more
    }
    return;
  }
  if (packet.serial != peer.attempt)
    return;
  if (packet.type == UcxPacketType::kWelcome && peer.state == State::kHelloSent) {
    Confirm confirm;
    if (Status status = peer.initiator->OnWelcome(body, &confirm); status != Status::kOk) {
      peer.state = State::kIdle;
      return peer.queue.FailAll(status, events_);
    }
    peer.state = State::kConfirmed;
    SendControl(peer, Packet(UcxPacketType::kConfirm, peer.attempt), BytesOf(confirm));
  } else if (packet.type == UcxPacketType::kReady && peer.state == State::kConfirmed) {
    peer.session = packet.session;
    peer.sent = 0;
    peer.state = State::kUp;
    Drain(peer);
  } else if (packet.type == UcxPacketType::kRefused && peer.state != State::kUp) {
    peer.state = State::kIdle;  // the timer tries again, until the deadlines of what waits
  }
}

void UcxTransport::Drain(Peer& peer) {
  while (peer.state == State::kUp && !peer.failed && !peer.queue.empty()) {
    Request request = peer.queue.front();
    peer.queue.PopFront();
    ++delivered_;
    if (request.deadline_ns != 0 && clock_.NowNs() >= request.deadline_ns)
      End(events_, request, Outcome::kNotSent, Status::kTimedOut);
    else
      Start(peer, request);
  }
}

void UcxTransport::Start(Peer& peer, const Request& request) {
  std::uint64_t serial = next_serial_++;
  if (peer.next_probe_ns == 0)
    peer.next_probe_ns = clock_.NowNs() + kProbeNs;
  peer.under_way.emplace(serial, UnderWay{request});
  if (StartOneSided(peer, serial, request))
    return;
  StartPieces(peer, serial, request);
  if (request.kind == OperationKind::kFlush)
    FlushOneSided(peer, serial);
}

// Every piece but a message's ends by its answer; a message's when it has left.
void UcxTransport::StartPieces(Peer& peer, std::uint64_t serial, const Request& request) {
  bool is_put = request.kind == OperationKind::kPut || request.kind == OperationKind::kPutNotify;
  bool is_get = request.kind == OperationKind::kGet;
  std::uint32_t done = 0;
  do {
    std::uint32_t length = is_put || is_get ? std::min(kUcxPiece, request.length - done)
                           : request.kind == OperationKind::kSend ? request.length
                                                                  : 0;
    bool last = done + length >= request.length || !(is_put || is_get);
    std::uint64_t piece = next_serial_++;
    UcxPacket packet = Packet(TypeOf(request.kind), piece);
    packet.channel = static_cast<std::uint16_t>(request.channel);
    packet.receiver_cpu = request.receiver_cpu;
    packet.session = peer.session;
    packet.sequence = ++peer.sent;
    packet.window = request.window;
    packet.offset = request.remote_offset + done;
    packet.length = length;
    packet.operand = request.operand;
    packet.compare = request.compare;
    packet.flags = kWantsAnswer;
    if (request.kind == OperationKind::kPutNotify && last)
      packet.flags |= kNotifies;
    std::span<const std::byte> body;
    if (is_put || request.kind == OperationKind::kSend)
      body = {arena_.At(request.local_offset + done), length};
    auto under_way = peer.under_way.find(serial);
    if (under_way == peer.under_way.end())
      return;
    ++under_way->second.pieces;
    peer.pieces.emplace(piece, Piece{serial, request.local_offset + done, length});
    bool is_message = request.kind == OperationKind::kSend;
    PeerId id = peer.info.id;
    worker_->Send(peer.endpoint, packet, body, [this, id, piece, is_message](bool left) {
      auto it = peers_.find(id);
      if (it == peers_.end())
        return;
      if (!left)
        it->second.failed = true;
      else if (is_message)
        PieceEnded(it->second, piece, Status::kOk, 0);
    });
    done += length;
    if (last)
      break;
  } while (true);
}

// The peer opens a way to us: it may have broken the one that we have to it, and what we sent last
// may be lost without an end that says so. A flush under way, so that Probe repeats it.
void UcxTransport::AskForSession(Peer& peer) {
  const bool asks =
      std::ranges::any_of(peer.under_way, [](const auto& one) { return one.second.own; });
  if (peer.state != State::kUp || asks)
    return;
  Request flush;
  flush.peer = peer.info.id;
  flush.kind = OperationKind::kFlush;
  const std::uint64_t serial = next_serial_++;
  if (peer.next_probe_ns == 0)
    peer.next_probe_ns = clock_.NowNs() + kProbeNs;
  peer.under_way.emplace(serial, UnderWay{.request = flush, .own = true});
  StartPieces(peer, serial, flush);
}

// While something is under way, a flush that nobody waits for now and then. The peer may have
// broken its side with our request, or with its answer, and UCX tells us nothing: our side of it
// lives. To whoever does not know our session the probe is as strange as any request, and it says
// so.
void UcxTransport::Probe(Peer& peer, std::uint64_t now) {
  if (peer.under_way.empty()) {
    peer.next_probe_ns = 0;
    return;
  }
  if (now < peer.next_probe_ns)
    return;
  peer.next_probe_ns = now + kProbeNs;
  UcxPacket packet = Packet(UcxPacketType::kFlush, next_serial_++);
  packet.session = peer.session;
  packet.sequence = ++peer.sent;
  SendControl(peer, packet);
}

void UcxTransport::OnAnswer(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body) {
  auto it = peer.pieces.find(packet.serial);
  if (packet.session != peer.session || it == peer.pieces.end() || it->second.by_nic)
    return;
  const Piece& piece = it->second;
  auto status = static_cast<Status>(packet.operand);
  auto under_way = peer.under_way.find(piece.request);
  bool is_get =
      under_way != peer.under_way.end() && under_way->second.request.kind == OperationKind::kGet;
  if (is_get && status == Status::kOk) {
    if (body.size() != piece.length)
      status = Status::kCorrupt;
    else
      std::memcpy(arena_.At(piece.local_offset), body.data(), body.size());
  }
  PieceEnded(peer, packet.serial, status, packet.compare);
}

void UcxTransport::PieceEnded(Peer& peer, std::uint64_t serial, Status status,
                              std::uint64_t value) {
  auto piece = peer.pieces.find(serial);
  if (piece == peer.pieces.end())
    return;
  auto it = peer.under_way.find(piece->second.request);
  peer.pieces.erase(piece);
  if (it == peer.under_way.end())
    return;
  UnderWay& under_way = it->second;
  if (status != Status::kOk && under_way.status == Status::kOk)
    under_way.status = status;
  under_way.partly |= status == Status::kOk;
  under_way.value = value;
  if (--under_way.pieces != 0)
    return;
  UnderWay ended = under_way;
  peer.under_way.erase(it);
  ++delivered_;
  Outcome outcome = ended.status == Status::kOk ? Outcome::kDone
                    : ended.partly              ? Outcome::kUnknown
                                                : Outcome::kNotSent;
  if (!ended.own)
    End(events_, ended.request, outcome, ended.status, ended.value);
}

}  // namespace k42::interconnect
