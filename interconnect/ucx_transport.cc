#include "interconnect/ucx_transport.h"

#include "interconnect/memory_operation.h"

namespace k42::interconnect {

std::unique_ptr<UcxTransport> UcxTransport::Create(const LocalIdentity& self, Arena& arena,
                                                   const UcxOptions& options, Events& events,
                                                   const Clock& clock, std::string* error) {
  std::unique_ptr<UcxTransport> transport(new UcxTransport(self, arena, events, clock));
  UcxTransport* raw = transport.get();
  transport->worker_ = UcxWorker::Create(
      options, [raw](std::span<const std::byte> bytes) { raw->OnPacket(bytes); }, error);
  if (transport->worker_ == nullptr)
    return nullptr;
  return transport;
}

// Who goes has no peers any more that could be told.
UcxTransport::~UcxTransport() {
  if (worker_ != nullptr)
    worker_->Deafen();  // closing moves things on: a packet must bring no new grant
  for (auto& [id, peer] : peers_) {
    if (peer.endpoint != nullptr)
      worker_->Close(peer.endpoint);
    peer.grants.clear();
    peer.granted.clear();
  }
}

UcxPacket UcxTransport::Packet(UcxPacketType type, std::uint64_t serial) const {
  UcxPacket packet{};
  packet.type = type;
  packet.sender_node = self_.self.node;
  packet.sender_incarnation = self_.self.incarnation;
  packet.serial = serial;
  return packet;
}

void UcxTransport::AddPeer(const PeerInfo& info) {
  Peer& peer = peers_.try_emplace(info.id).first->second;
  if (peer.endpoint != nullptr && peer.info.address != info.address)
    Break(peer, Status::kEndpointDown);  // its daemon is a new one
  peer.info = info;
}

void UcxTransport::RemovePeer(PeerId id, Status why) {
  auto it = peers_.find(id);
  if (it == peers_.end())
    return;
  Break(it->second, why);
  it->second.queue.FailAll(why, events_);
  peers_.erase(it);
}

void UcxTransport::Submit(const Request& request) {
  auto it = peers_.find(request.peer);
  Status status = it == peers_.end() ? Status::kNotInView : CheckLocal(arena_, request);
  if (status != Status::kOk) {
    End(events_, request, Outcome::kNotSent, status);
    return;
  }
  Peer& peer = it->second;
  peer.queue.Push(request, events_);
  if (peer.state == State::kUp)
    Drain(peer);
  else if (peer.state == State::kIdle && clock_.NowNs() >= peer.next_try_ns)
    Try(peer);
}

bool UcxTransport::EnsureEndpoint(Peer& peer) {
  if (peer.endpoint == nullptr) {
    peer.failed = false;
    peer.endpoint = worker_->Connect(peer.info.address, [&peer] { peer.failed = true; });
  }
  return peer.endpoint != nullptr;
}

// Small, copied, and if it gets lost somebody's timer notices.
void UcxTransport::SendControl(Peer& peer, const UcxPacket& packet,
                               std::span<const std::byte> body) {
  if (peer.failed || !EnsureEndpoint(peer))
    return;
  auto copy = std::make_shared<std::vector<std::byte>>(body.begin(), body.end());
  std::span<const std::byte> bytes = *copy;
  worker_->Send(peer.endpoint, packet, bytes, [copy](bool) {});
}

void UcxTransport::OnPacket(std::span<const std::byte> bytes) {
  UcxPacket packet;
  std::span<const std::byte> body;
  if (ParseUcxPacket(bytes, &packet, &body) != Status::kOk)
    return;
  auto it = peers_.find({packet.sender_node, packet.sender_incarnation});
  if (it == peers_.end())
    return;  // not in our view: it tries again, and by then we may know it
  Peer& peer = it->second;
  ++delivered_;
  switch (packet.type) {
    case UcxPacketType::kHello:
      return OnHello(peer, packet, body);
    case UcxPacketType::kConfirm:
      return OnConfirm(peer, packet, body);
    case UcxPacketType::kWelcome:
    case UcxPacketType::kReady:
    case UcxPacketType::kRefused:
      return OnHandshakeAnswer(peer, packet, body);
    case UcxPacketType::kAnswer:
      return OnAnswer(peer, packet, body);
    case UcxPacketType::kWantGrant:
      return OnWantGrant(peer, packet);
    case UcxPacketType::kGrant:
      return OnGrant(peer, packet, body);
    case UcxPacketType::kRevoke:
      return OnRevoke(peer, packet);
    case UcxPacketType::kRevoked:
      return OnRevoked(peer, packet);
    default:
      return OnRequest(peer, packet, bytes);
  }
}

// To an initiator whose requests we perform no more. Best effort: the endpoint closes behind it.
void UcxTransport::SayGoodbye(Peer& peer) {
  if (peer.their_session == 0 || peer.failed || peer.endpoint == nullptr)
    return;
  UcxPacket goodbye = Packet(UcxPacketType::kRefused);
  goodbye.session = peer.their_session;
  goodbye.operand = static_cast<std::uint64_t>(Status::kEndpointDown);
  SendControl(peer, goodbye);
}

// Both directions end: they share the connection. What was under way is unknown, what waited was
// not sent.
void UcxTransport::Break(Peer& peer, Status why) {
  bool was_up = peer.state == State::kUp || peer.their_session != 0;
  SayGoodbye(peer);
  peer.failed = true;  // nothing is sent to it while its endpoint closes, which moves things on
  if (peer.endpoint != nullptr)
    worker_->Close(peer.endpoint);
  peer.endpoint = nullptr;
  peer.failed = false;
  peer.state = State::kIdle;
  peer.session = 0;
  peer.their_session = 0;
  peer.acceptor.reset();
  peer.reordered.clear();
  peer.next_try_ns = clock_.NowNs() + 100'000'000;
  PeerId id = peer.info.id;
  std::map<std::uint64_t, UnderWay> lost;
  lost.swap(peer.under_way);
  peer.pieces.clear();
  peer.grants.clear();
  TakeBack(peer);
  for (const auto& [serial, under_way] : lost) {
    if (!under_way.own)
      End(events_, under_way.request, Outcome::kUnknown, why);
  }
  if (was_up) {
    peer.queue.FailAll(why, events_);
    events_.OnPeerDown(id, why);
  }
}

std::size_t UcxTransport::Timers() {
  std::uint64_t now = clock_.NowNs();
  std::size_t ended = 0;
  for (auto& [id, peer] : peers_) {
    if (peer.failed)
      Break(peer, Status::kEndpointDown);
    Probe(peer, now);
    ended += peer.queue.Expire(now, events_);
    if (peer.state != State::kUp && !peer.queue.empty() && now >= peer.next_try_ns)
      Try(peer);
  }
  return ended;
}

std::size_t UcxTransport::Progress() {
  delivered_ = 0;
  constexpr int kRounds = 64;  // then the others' turn
  for (int i = 0; i < kRounds && worker_->Progress() != 0; ++i) {
  }
  delivered_ += Timers();
  return delivered_;
}

std::uint64_t UcxTransport::NextTimer() const {
  std::uint64_t next = 0;
  for (const auto& [id, peer] : peers_) {
    next = EarlierTimer(next, peer.queue.NextDeadline());
    if (peer.state != State::kUp && !peer.queue.empty())
      next = EarlierTimer(next, peer.next_try_ns);
    next = EarlierTimer(next, peer.next_probe_ns);
  }
  return next;
}

// What the target performs itself, on this thread, after checking the window's generation: over
// already. Who holds a grant has to let go of it.
void UcxTransport::RevokeWindow(Token token, abi::WindowId window) {
  std::set<PeerId> waiting;
  for (auto& [id, peer] : peers_) {
    if (!peer.granted.contains(window))
      continue;
    waiting.insert(id);
    SendAbout(peer, UcxPacketType::kRevoke, peer.their_session, window);
  }
  if (waiting.empty())
    events_.OnCompletion({token, Outcome::kDone, Status::kOk, 0});
  else
    revocations_.Add(window, token, std::move(waiting));
}

}  // namespace k42::interconnect
