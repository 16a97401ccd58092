// The UCX transport where the NIC puts and gets by itself: grants of windows.
//
//   initiator                          target
//   WantGrant    window             ->  registers the window, for this peer alone
//                                   <-  Grant   its address, size, access, key
//   puts and gets by its NIC
//                                   <-  Revoke  (the window is closed)
//   Revoked      none is under way  ->  ends the registration
//
// Invariants: a grant ends with its session, at both ends. The target ends the registration before
// it says that a peer is gone or a window revoked, and its NIC refuses the key from then on,
// whatever the peer still has on its way, whether that process runs or not. All of it is on the
// transport's thread.
#include <cstring>

#include "interconnect/memory_operation.h"
#include "interconnect/ucx_transport.h"

namespace k42::interconnect {
namespace {

constexpr std::size_t kMaxGranted = 1024;  // registrations per peer

}  // namespace

void UcxTransport::SendAbout(Peer& peer, UcxPacketType type, std::uint64_t session,
                             abi::WindowId window) {
  UcxPacket packet = Packet(type);
  packet.session = session;
  packet.window = window;
  SendControl(peer, packet);
}

// -- initiator ----------------------------------------------------------------------------------

// False: by active message.
bool UcxTransport::StartOneSided(Peer& peer, std::uint64_t serial, const Request& request) {
  bool is_put = request.kind == OperationKind::kPut;
  if ((!is_put && request.kind != OperationKind::kGet) || request.length == 0 ||
      !worker_->OneSided() || !peer.one_sided)
    return false;
  auto [it, asked] = peer.grants.try_emplace(request.window);
  Grant& grant = it->second;
  if (asked)
    SendAbout(peer, UcxPacketType::kWantGrant, peer.session, request.window);
  bool allowed = grant.state == Grant::State::kHeld &&
                 (grant.words.access & AccessNeeded(request.kind)) != 0 &&
                 request.remote_offset <= grant.words.size &&
                 request.length <= grant.words.size - request.remote_offset;
  if (!allowed)
    return false;
  if (!own_)
    own_ = worker_->Register({arena_.At(0), arena_.size()});
  peer.one_sided = static_cast<bool>(own_);
  if (!own_)
    return false;

  std::uint64_t piece = next_serial_++;
  peer.under_way.at(serial).pieces = 1;
  peer.pieces.emplace(piece, Piece{serial, request.local_offset, request.length, true});
  ++grant.under_way;
  auto done = [this, id = peer.info.id, window = request.window, piece](bool fine) {
    OneSidedEnded(id, window, piece, fine);
  };
  std::span<std::byte> local(arena_.At(request.local_offset), request.length);
  std::uint64_t remote = grant.words.address + request.remote_offset;
  if (is_put)
    worker_->Put(peer.endpoint, local, own_, remote, grant.key, done);
  else
    worker_->Get(peer.endpoint, local, own_, remote, grant.key, done);
  return true;
}

// Puts by our NIC that came before a flush are part of it.
void UcxTransport::FlushOneSided(Peer& peer, std::uint64_t serial) {
  auto it = peer.under_way.find(serial);
  if (peer.grants.empty() || it == peer.under_way.end())
    return;
  std::uint64_t piece = next_serial_++;
  ++it->second.pieces;
  peer.pieces.emplace(piece, Piece{serial, 0, 0, true});
  worker_->Flush(peer.endpoint, [this, id = peer.info.id, piece](bool fine) {
    OneSidedEnded(id, 0, piece, fine);
  });
}

void UcxTransport::OneSidedEnded(PeerId id, abi::WindowId window, std::uint64_t piece, bool fine) {
  auto found = peers_.find(id);
  if (found == peers_.end() || !found->second.pieces.contains(piece))
    return;  // of an endpoint that has broken
  Peer& peer = found->second;
  if (!fine) {
    peer.failed = true;  // ends it as unknown
    return;
  }
  if (auto it = peer.grants.find(window); it != peer.grants.end()) {
    Grant& grant = it->second;
    if (--grant.under_way == 0 && grant.state == Grant::State::kLeaving)
      LetGo(peer, window);
  }
  PieceEnded(peer, piece, Status::kOk, 0);
}

void UcxTransport::OnGrant(Peer& peer, const UcxPacket& packet, std::span<const std::byte> body) {
  auto it = peer.grants.find(packet.window);
  if (peer.state != State::kUp || packet.session != peer.session || it == peer.grants.end())
    return;
  Grant& grant = it->second;
  if (grant.state == Grant::State::kHeld || grant.state == Grant::State::kLeaving)
    return;
  auto status = static_cast<Status>(packet.operand);
  if (status == Status::kBusy && grant.state == Grant::State::kAsked)
    return;  // no room there: not asked again in this session
  if (status == Status::kNotSupported)
    peer.one_sided = false;
  if (status != Status::kOk || grant.state == Grant::State::kOvertaken) {
    peer.grants.erase(it);
    return;
  }
  std::span<const std::byte> key;
  if (ParseUcxGrant(body, &grant.words, &key) == Status::kOk && worker_->OneSided(peer.endpoint))
    grant.key = worker_->Unpack(peer.endpoint, key);
  if (grant.key) {
    grant.state = Grant::State::kHeld;
    return;
  }
  peer.one_sided = false;
  LetGo(peer, packet.window);
}

void UcxTransport::OnRevoke(Peer& peer, const UcxPacket& packet) {
  if (peer.state != State::kUp || packet.session != peer.session)
    return;
  auto it = peer.grants.find(packet.window);
  if (it != peer.grants.end() && it->second.state == Grant::State::kAsked) {
    it->second.state = Grant::State::kOvertaken;
    SendAbout(peer, UcxPacketType::kRevoked, peer.session, packet.window);
  } else if (it != peer.grants.end() && it->second.under_way != 0) {
    it->second.state = Grant::State::kLeaving;
  } else {
    LetGo(peer, packet.window);
  }
}

void UcxTransport::LetGo(Peer& peer, abi::WindowId window) {
  peer.grants.erase(window);
  SendAbout(peer, UcxPacketType::kRevoked, peer.session, window);
}

// -- target -------------------------------------------------------------------------------------

void UcxTransport::OnWantGrant(Peer& peer, const UcxPacket& packet) {
  if (peer.their_session == 0 || packet.session != peer.their_session)
    return;  // the request that comes with it is told so
  std::vector<std::byte> body;
  UcxPacket answer = Packet(UcxPacketType::kGrant);
  answer.operand = static_cast<std::uint64_t>(GrantTo(peer, packet.window, &body));
  answer.session = packet.session;
  answer.window = packet.window;
  SendControl(peer, answer, body);
}

Status UcxTransport::GrantTo(Peer& peer, abi::WindowId window, std::vector<std::byte>* body) {
  if (!worker_->OneSided())
    return Status::kNotSupported;
  if (peer.granted.size() >= kMaxGranted)
    return Status::kBusy;
  std::uint32_t index = abi::WindowIndex(window);
  if (index >= abi::kMaxWindows)
    return Status::kRevoked;
  UcxGrant grant{};
  grant.size = LoadOnce(arena_.window(index).size);
  grant.access = LoadOnce(arena_.window(index).access);
  std::uint64_t place = TRY(arena_.Resolve(window, peer.info.id, 0, grant.size, grant.access));
  if (grant.size == 0)
    return Status::kOutOfRange;
  grant.address = reinterpret_cast<std::uint64_t>(arena_.At(place));
  UcxMemory memory = worker_->Register({arena_.At(place), grant.size});
  std::vector<std::byte> key;
  if (memory)
    key = memory.Key();
  if (key.empty() || key.size() > kMaxUcxKey)
    return Status::kNotSupported;
  grant.key_size = static_cast<std::uint32_t>(key.size());
  body->resize(sizeof grant + key.size());
  std::memcpy(body->data(), &grant, sizeof grant);
  std::memcpy(body->data() + sizeof grant, key.data(), key.size());
  peer.granted[window] = std::move(memory);
  return Status::kOk;
}

void UcxTransport::OnRevoked(Peer& peer, const UcxPacket& packet) {
  if (peer.their_session == 0 || packet.session != peer.their_session)
    return;
  peer.granted.erase(packet.window);
  Returned(peer.info.id, &packet.window);
}

void UcxTransport::TakeBack(Peer& peer) {
  peer.granted.clear();
  Returned(peer.info.id, nullptr);
}

// The peer has let go of one window, or (nullptr) of everything.
void UcxTransport::Returned(PeerId id, const abi::WindowId* window) {
  const std::vector<Token> done = revocations_.Returned(id, window);
  delivered_ += done.size();
  for (Token token : done) events_.OnCompletion({token, Outcome::kDone, Status::kOk, 0});
}

}  // namespace k42::interconnect
