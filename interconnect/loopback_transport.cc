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
  auto [it, added] = endpoints_.try_emplace(peer.id);
  it->second.peer = peer;
  if (added)
    it->second.admission = next_admission_++;
}

LoopbackTransport::Endpoint* LoopbackTransport::FindEndpoint(PeerId peer) {
  auto it = endpoints_.find(peer);
  return it == endpoints_.end() ? nullptr : &it->second;
}

void LoopbackTransport::RemovePeer(PeerId peer, Status why) {
  if (Endpoint* endpoint = FindEndpoint(peer); endpoint != nullptr) {
    // The peer sees its connection to us close.
    if (LoopbackTransport* other = fabric_.Find(peer); other != nullptr) {
      other->Later([other, us = self_.self, life = endpoint->peer_life] {
        Endpoint* to_us = other->FindEndpoint(us);
        if (to_us != nullptr && to_us->up && to_us->life == life)
          other->Break(*to_us, Status::kEndpointDown);
      });
    }
    Break(*endpoint, why);
    endpoints_.erase(peer);
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
  to.life = next_life_++;
  us->second.peer_life = to.life;  // the handshake: what an earlier life still brings is late
  std::fill(std::begin(us->second.taken), std::end(us->second.taken), 0);
  std::uint64_t now = fabric_.clock_.NowNs();
  std::fill(std::begin(to.sent), std::end(to.sent), 0);
  std::fill(std::begin(to.in_order_ns), std::end(to.in_order_ns), now);
  to.visible_ns = now;
  while (to.up && !to.queue.empty()) {
    Request request = to.queue.front();
    to.queue.PopFront();
    Start(to, request);
  }
}

void LoopbackTransport::Finish(Passage& passage, std::uint64_t value) {
  if (passage.ended)
    return;  // the endpoint broke meanwhile: it has been reported as unknown
  passage.ended = true;
  if (Endpoint* to = FindEndpoint(passage.request.peer); to != nullptr)
    to->under_way.erase(passage.serial);
  Later([this, request = passage.request, value] {
    End(events_, request, Outcome::kDone, Status::kOk, value);
  });
}

void LoopbackTransport::Start(Endpoint& to, const Request& request) {
  LoopbackTransport* peer = fabric_.Find(to.peer.id);
  const Endpoint* us = peer == nullptr ? nullptr : peer->FindEndpoint(self_.self);
  if (us == nullptr || us->peer_life != to.life) {
    End(events_, request, Outcome::kNotSent, Status::kEndpointDown);
    return Break(to, Status::kEndpointDown);
  }
  auto passage = std::make_shared<Passage>();
  passage->request = request;
  passage->serial = next_serial_++;
  passage->life = to.life;
  passage->admission = us->admission;
  to.under_way.emplace(passage->serial, passage);
  if (request.kind == OperationKind::kSend) {
    StartMessage(peer, to, passage);
  } else if (request.kind == OperationKind::kFlush) {
    fabric_.At(std::max(to.visible_ns, fabric_.clock_.NowNs() + fabric_.Delay()),
               [this, passage] { Finish(*passage, 0); });
  } else {
    StartMemory(peer, to, passage);
  }
  if (to.up && fabric_.Chance(fabric_.faults_.breaks_per_million))
    Break(to, Status::kEndpointDown);
}

void LoopbackTransport::StartMessage(LoopbackTransport* peer, Endpoint& to,
                                     std::shared_ptr<Passage> passage) {
  const Request& request = passage->request;
  std::byte* text = arena_.At(request.local_offset);
  passage->data.assign(text, text + request.length);
  auto channel = static_cast<std::size_t>(request.channel);
  passage->number = ++to.sent[channel];
  std::uint64_t& in_order = to.in_order_ns[channel];
  in_order = std::max(in_order, fabric_.clock_.NowNs() + fabric_.Delay());
  PeerId from = self_.self;
  fabric_.At(in_order, [this, peer, from, passage] {
    if (passage->arrives)
      peer->Receive(from, passage);
    Finish(*passage, 0);
  });
  if (fabric_.Chance(fabric_.faults_.repeats_per_million)) {
    fabric_.At(in_order + fabric_.Delay(), [peer, from, passage] {
      if (passage->arrives)
        peer->Receive(from, passage);
    });
  }
}

bool LoopbackTransport::Knows(PeerId from, const Passage& passage) {
  if (fabric_.faults_.without_fence)
    return true;
  const Endpoint* endpoint = FindEndpoint(from);
  return endpoint != nullptr && endpoint->admission == passage.admission;
}

bool LoopbackTransport::Admits(PeerId from, const Passage& passage) {
  if (fabric_.faults_.without_fence)
    return true;
  return Knows(from, passage) && FindEndpoint(from)->peer_life == passage.life;
}

void LoopbackTransport::Receive(PeerId from, std::shared_ptr<Passage> passage) {
  if (!Admits(from, *passage))
    return;
  const Request& request = passage->request;
  if (Endpoint* endpoint = FindEndpoint(from);
      endpoint != nullptr && !fabric_.faults_.without_deduplication) {
    std::uint64_t& taken = endpoint->taken[static_cast<std::size_t>(request.channel)];
    if (passage->number <= taken)
      return;
    taken = passage->number;
  }
  Later([this, from, passage] {
    if (Knows(from, *passage))
      events_.OnMessage(from, passage->request.channel, passage->request.receiver_cpu,
                        passage->data);
  });
}

void LoopbackTransport::StartMemory(LoopbackTransport* peer, Endpoint& to,
                                    std::shared_ptr<Passage> passage) {
  const Request& request = passage->request;
  Places places;
  Status status = FindPlaces(arena_, peer->arena_, self_.self, request, &places);
  if (status != Status::kOk) {
    to.under_way.erase(passage->serial);
    End(events_, request, Outcome::kNotSent, status);
    return;
  }
  std::uint64_t now = fabric_.clock_.NowNs();
  bool is_copy = AccessNeeded(request.kind) != abi::kAccessAtomic;
  PeerId from = self_.self;
  std::uint64_t last = now + fabric_.Delay();
  for (std::uint32_t done = 0; is_copy && done < request.length; done += kTear) {
    Request piece = request;
    piece.length = std::min(kTear, request.length - done);
    std::uint64_t when = now + fabric_.Delay();
    last = std::max(last, when);
    fabric_.At(when, [peer, from, passage, piece, places, done] {
      Places at{places.local + done, places.remote + done};
      if (!passage->data.empty())
        at.local = passage->data.data() + done;
      if (passage->arrives && peer->Admits(from, *passage))
        Perform(piece, at);
    });
  }
  if (request.kind != OperationKind::kGet)
    to.visible_ns = std::max(to.visible_ns, last);
  fabric_.At(last, [this, peer, from, passage, places, is_copy] {
    if (!passage->arrives || !peer->Admits(from, *passage))
      return;
    std::uint64_t value = is_copy ? 0 : Perform(passage->request, places);
    if (passage->request.kind == OperationKind::kPutNotify) {
      peer->Later([peer, from, passage] {
        if (peer->Knows(from, *passage))
          peer->events_.OnNotify(from, passage->request.channel, passage->request.receiver_cpu,
                                 passage->request.operand);
      });
    }
    Finish(*passage, value);
  });
}

// Of what is under way when the endpoint breaks: what will still arrive?
void LoopbackTransport::DecideFate(Endpoint& to) {
  constexpr std::uint32_t kHalf = 500'000;
  bool lost[abi::kChannelCount] = {};  // a message was: so are all later ones of its channel
  for (auto& [serial, passage] : to.under_way) {
    const Request& request = passage->request;
    passage->ended = true;
    if (request.kind == OperationKind::kSend) {
      bool& is_lost = lost[static_cast<std::size_t>(request.channel)];
      is_lost = is_lost || fabric_.Chance(kHalf);
      passage->arrives = !is_lost;
    } else if (request.kind == OperationKind::kGet || request.kind == OperationKind::kFlush) {
      passage->arrives = false;
    } else {
      passage->arrives = fabric_.Chance(kHalf);
      if (passage->arrives && request.length != 0) {
        std::byte* source = arena_.At(request.local_offset);
        passage->data.assign(source, source + request.length);
      }
    }
  }
}

void LoopbackTransport::Break(Endpoint& to, Status why) {
  PeerId peer = to.peer.id;
  bool was_up = to.up;
  to.up = false;
  DecideFate(to);
  std::map<std::uint64_t, std::shared_ptr<Passage>> lost;
  lost.swap(to.under_way);
  for (const auto& [serial, passage] : lost) {
    Later(
        [this, request = passage->request, why] { End(events_, request, Outcome::kUnknown, why); });
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
