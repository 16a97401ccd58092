#include "interconnect/loopback_transport.h"

#include <algorithm>
#include <cstring>

#include "interconnect/memory_operation.h"

namespace k42::interconnect {
namespace {

constexpr std::uint32_t kTear = 64;
constexpr std::uint64_t kRetryNs = 50'000'000;

}  // namespace

// -- fabric -------------------------------------------------------------------------------------

LoopbackTransport* LoopbackFabric::Find(PeerId id) {
  auto it = nodes_.find(id);
  return it == nodes_.end() ? nullptr : it->second;
}

std::uint64_t LoopbackFabric::Delay() {
  return std::uniform_int_distribution<std::uint64_t>(faults_.min_delay_ns,
                                                      faults_.max_delay_ns)(random_);
}

bool LoopbackFabric::Chance(std::uint32_t per_million) {
  return per_million != 0 &&
         std::uniform_int_distribution<std::uint32_t>(0, 999'999)(random_) < per_million;
}

void LoopbackFabric::Cut(std::uint32_t a, std::uint32_t b) {
  cut_.insert(Ordered(a, b));
  for (auto& [id, node] : nodes_) {
    for (auto& [peer, endpoint] : node->endpoints_) {
      if (endpoint.up && Ordered(id.node, peer.node) == Ordered(a, b))
        node->Break(endpoint, Status::kEndpointDown);
    }
  }
}

void LoopbackFabric::Heal(std::uint32_t a, std::uint32_t b) {
  cut_.erase(Ordered(a, b));
}

void LoopbackFabric::RunDue() {
  while (!events_.empty() && events_.begin()->first <= clock_.NowNs()) {
    auto what = std::move(events_.begin()->second);
    events_.erase(events_.begin());
    what();
  }
}

// -- transport ----------------------------------------------------------------------------------

LoopbackTransport::LoopbackTransport(LoopbackFabric& fabric, const LocalIdentity& self,
                                     Arena& arena, Events& events)
    : fabric_(fabric), self_(self), arena_(arena), events_(events) {
  fabric_.nodes_[self_.self] = this;
}

LoopbackTransport::~LoopbackTransport() {
  fabric_.nodes_.erase(self_.self);
  fabric_.events_.clear();  // they may mean us; who destroys a node has ended its test
}

void LoopbackTransport::SetIdentity(const LocalIdentity& self) {
  fabric_.nodes_.erase(self_.self);
  self_ = self;
  fabric_.nodes_[self_.self] = this;
}

void LoopbackTransport::AddPeer(const PeerInfo& peer) {
  endpoints_.try_emplace(peer.id).first->second.peer = peer;
}

void LoopbackTransport::RemovePeer(PeerId peer, Status why) {
  if (auto it = endpoints_.find(peer); it != endpoints_.end()) {
    Break(it->second, why);
    endpoints_.erase(it);
  }
  Progress();  // what has ended by now is reported before we return
}

void LoopbackTransport::Submit(const Request& request) {
  auto it = endpoints_.find(request.peer);
  Status status = it == endpoints_.end() ? Status::kNotInView : CheckLocal(arena_, request);
  if (status != Status::kOk) {
    End(events_, request, Outcome::kNotSent, status);
    return;
  }
  Endpoint& to = it->second;
  if (!to.up)
    Open(to);
  if (to.up)
    Start(to, request);
  else
    to.queue.Push(request, events_);
}

// Opens if the peer is there, knows us, and the secrets agree.
void LoopbackTransport::Open(Endpoint& to) {
  LoopbackTransport* peer = fabric_.Find(to.peer.id);
  if (peer == nullptr || !fabric_.Reachable(self_.self.node, to.peer.id.node))
    return;
  auto us = peer->endpoints_.find(self_.self);
  if (us == peer->endpoints_.end())
    return;
  if (to.peer.secret != peer->self_.secret || us->second.peer.secret != self_.secret ||
      self_.cluster_id != peer->self_.cluster_id) {
    to.queue.FailAll(Status::kPermissionDenied, events_);
    return;
  }
  to.up = true;
  ++to.life;
  std::uint64_t now = fabric_.clock_.NowNs();
  std::fill(std::begin(to.in_order_ns), std::end(to.in_order_ns), now);
  to.visible_ns = now;
  while (to.up && !to.queue.empty()) {
    Request request = to.queue.front();
    to.queue.PopFront();
    Start(to, request);
  }
}

LoopbackTransport::Endpoint* LoopbackTransport::Live(PeerId peer, std::uint64_t life) {
  auto it = endpoints_.find(peer);
  bool live = it != endpoints_.end() && it->second.up && it->second.life == life;
  return live ? &it->second : nullptr;
}

void LoopbackTransport::Finish(PeerId peer, std::uint64_t life, std::uint64_t serial,
                               std::uint64_t value) {
  Endpoint* to = Live(peer, life);
  if (to == nullptr)
    return;  // broke meanwhile: it has been reported as unknown
  auto it = to->under_way.find(serial);
  if (it == to->under_way.end())
    return;
  Request request = it->second;
  to->under_way.erase(it);
  Later([this, request, value] { End(events_, request, Outcome::kDone, Status::kOk, value); });
}

void LoopbackTransport::Start(Endpoint& to, const Request& request) {
  LoopbackTransport* peer = fabric_.Find(to.peer.id);
  if (peer == nullptr) {
    End(events_, request, Outcome::kNotSent, Status::kEndpointDown);
    return Break(to, Status::kEndpointDown);
  }
  std::uint64_t now = fabric_.clock_.NowNs();
  std::uint64_t serial = next_serial_++;
  std::uint64_t life = to.life;
  PeerId peer_id = to.peer.id;
  to.under_way.emplace(serial, request);
  if (request.kind == OperationKind::kSend) {
    std::vector<std::byte> copy(arena_.At(request.local_offset),
                                arena_.At(request.local_offset) + request.length);
    auto& in_order = to.in_order_ns[static_cast<std::size_t>(request.channel)];
    in_order = std::max(in_order, now + fabric_.Delay());
    fabric_.At(in_order, [this, peer, peer_id, life, serial, request, copy = std::move(copy)] {
      if (Live(peer_id, life) == nullptr)
        return;
      PeerId from = self_.self;
      peer->Later([peer, from, request, copy] {
        if (peer->endpoints_.contains(from))
          peer->events_.OnMessage(from, request.channel, request.receiver_cpu, copy);
      });
      Finish(peer_id, life, serial, 0);
    });
  } else if (request.kind == OperationKind::kFlush) {
    fabric_.At(std::max(to.visible_ns, now + fabric_.Delay()),
               [this, peer_id, life, serial] { Finish(peer_id, life, serial, 0); });
  } else {
    StartMemory(to, peer, serial, request);
  }
  if (fabric_.Chance(fabric_.faults_.breaks_per_million))
    Break(to, Status::kEndpointDown);
}

void LoopbackTransport::StartMemory(Endpoint& to, LoopbackTransport* peer, std::uint64_t serial,
                                    const Request& request) {
  Places places;
  Status status = FindPlaces(arena_, peer->arena_, self_.self, request, &places);
  if (status != Status::kOk) {
    to.under_way.erase(serial);
    End(events_, request, Outcome::kNotSent, status);
    return;
  }
  std::uint64_t now = fabric_.clock_.NowNs();
  std::uint64_t life = to.life;
  PeerId peer_id = to.peer.id;
  bool is_copy = AccessNeeded(request.kind) != abi::kAccessAtomic;
  std::uint64_t last = now + fabric_.Delay();
  for (std::uint32_t done = 0; is_copy && done < request.length; done += kTear) {
    Request piece = request;
    piece.length = std::min(kTear, request.length - done);
    Places at{places.local + done, places.remote + done};
    std::uint64_t when = now + fabric_.Delay();
    last = std::max(last, when);
    fabric_.At(when, [this, peer_id, life, piece, at] {
      // Of a broken endpoint, what was on its way may still arrive; but never once the peer, or we,
      // have been removed (the fence).
      if (Live(peer_id, life) != nullptr)
        Perform(piece, at);
    });
  }
  if (request.kind != OperationKind::kGet)
    to.visible_ns = std::max(to.visible_ns, last);
  fabric_.At(last, [this, peer, peer_id, life, serial, request, places, is_copy] {
    if (Live(peer_id, life) == nullptr)
      return;
    std::uint64_t value = is_copy ? 0 : Perform(request, places);
    if (request.kind == OperationKind::kPutNotify) {
      PeerId from = self_.self;
      peer->Later([peer, from, request] {
        if (peer->endpoints_.contains(from))
          peer->events_.OnNotify(from, request.channel, request.receiver_cpu, request.operand);
      });
    }
    Finish(peer_id, life, serial, value);
  });
}

void LoopbackTransport::Break(Endpoint& to, Status why) {
  PeerId peer = to.peer.id;
  bool was_up = to.up;
  to.up = false;
  std::map<std::uint64_t, Request> lost;
  lost.swap(to.under_way);
  for (const auto& [serial, request] : lost) {
    Later([this, request = request, why] { End(events_, request, Outcome::kUnknown, why); });
  }
  to.queue.FailAll(why, events_);
  if (was_up)
    Later([this, peer, why] { events_.OnPeerDown(peer, why); });
}

void LoopbackTransport::RevokeWindow(Token token, abi::WindowId) {
  // Pieces resolve the window when they start: wait until all that has started has arrived.
  fabric_.At(fabric_.clock_.NowNs() + fabric_.faults_.max_delay_ns, [this, token] {
    Later([this, token] { events_.OnCompletion({token, Outcome::kDone, Status::kOk, 0}); });
  });
}

std::size_t LoopbackTransport::Progress() {
  fabric_.RunDue();
  std::uint64_t now = fabric_.clock_.NowNs();
  for (auto& [id, to] : endpoints_) {
    to.queue.Expire(now, events_);
    if (!to.up && !to.queue.empty())
      Open(to);
  }
  std::vector<std::function<void()>> inbox;
  inbox.swap(inbox_);
  for (auto& event : inbox) event();
  return inbox.size();
}

std::uint64_t LoopbackTransport::NextTimer() const {
  std::uint64_t next = fabric_.NextEvent();
  for (const auto& [id, to] : endpoints_) {
    if (!to.queue.empty())
      next = EarlierTimer(next,
                          EarlierTimer(fabric_.clock_.NowNs() + kRetryNs, to.queue.NextDeadline()));
  }
  return next;
}

}  // namespace k42::interconnect
