#include "interconnect/fault_transport.h"

#include <signal.h>

#include <algorithm>

#include "interconnect/memory_operation.h"
#include "interconnect/request_queue.h"

namespace k42::interconnect {

// -- faults -------------------------------------------------------------------------------------

void FaultTransport::Cut(std::uint32_t node) {
  faults_[node].cut = true;
  for (auto& [id, peer] : peers_) {
    if (id.node != node)
      continue;
    inner_->RemovePeer(id, Status::kEndpointDown);
    EndDoubtful(peer, Status::kEndpointDown);
    FailHeld(peer, Status::kEndpointDown);
  }
}

void FaultTransport::Delay(std::uint32_t node, std::uint64_t delay_ns) {
  faults_[node].delay_ns = delay_ns;
}

void FaultTransport::Slow(std::uint32_t node, std::uint64_t bytes_per_second) {
  faults_[node].bytes_per_second = bytes_per_second;
}

bool FaultTransport::Break(std::uint32_t node, std::uint32_t operations, bool done) {
  bool any = false;
  for (auto& [id, peer] : peers_) {
    if (id.node != node || IsCut(node) || peer.breaking)
      continue;
    peer.breaking = Breaking{operations, done, {}};
    any = true;
  }
  return any;
}

void FaultTransport::Hold(std::uint32_t node) {
  faults_[node].hold = true;
}

// What waits goes at the next Progress, and a break that was waiting for its operations comes then.
void FaultTransport::Heal(std::uint32_t node) {
  const bool was_cut = IsCut(node);
  faults_.erase(node);
  for (auto& [id, peer] : peers_) {
    if (id.node != node)
      continue;
    peer.free_ns = 0;
    for (Held& held : peer.held) held.due_ns = 0;
    if (peer.breaking)
      peer.breaking->left = 0;
    if (was_cut)
      inner_->AddPeer(peer.info);
  }
}

bool FaultTransport::IsCut(std::uint32_t node) const {
  const auto fault = faults_.find(node);
  return fault != faults_.end() && fault->second.cut;
}

std::uint64_t FaultTransport::DelayOf(std::uint32_t node) const {
  const auto fault = faults_.find(node);
  return fault == faults_.end() ? 0 : fault->second.delay_ns;
}

std::uint64_t FaultTransport::RateOf(std::uint32_t node) const {
  const auto fault = faults_.find(node);
  return fault == faults_.end() ? 0 : fault->second.bytes_per_second;
}

std::map<PeerId, FaultTransport::Counts> FaultTransport::counts() const {
  std::map<PeerId, Counts> all;
  for (const auto& [id, peer] : peers_) all.emplace(id, peer.counts);
  return all;
}

// -- the transport ------------------------------------------------------------------------------

void FaultTransport::AddPeer(const PeerInfo& info) {
  peers_[info.id].info = info;
  if (!IsCut(info.id.node))
    inner_->AddPeer(info);
}

void FaultTransport::RemovePeer(PeerId id, Status why) {
  const auto found = peers_.find(id);
  if (found == peers_.end())
    return inner_->RemovePeer(id, why);
  Peer peer = std::move(found->second);
  peers_.erase(found);  // what is submitted when its ends are told is to nobody
  inner_->RemovePeer(id, why);
  EndDoubtful(peer, why);
  FailHeld(peer, why);
}

void FaultTransport::Submit(const Request& request) {
  const auto found = peers_.find(request.peer);
  if (found == peers_.end())
    return inner_->Submit(request);  // which knows how that ends
  Peer& peer = found->second;
  if (IsCut(request.peer.node))
    return events_.OnCompletion({request.token, Outcome::kNotSent, Status::kEndpointDown, 0});
  const std::uint64_t delay = DelayOf(request.peer.node);
  const std::uint64_t rate = RateOf(request.peer.node);
  if (delay == 0 && rate == 0 && peer.held.empty() && !peer.at_break())
    return HandOn(peer, request);
  if (peer.held.size() >= kMaxWaiting)
    return events_.OnCompletion({request.token, Outcome::kNotSent, Status::kBusy, 0});
  const std::uint64_t earliest = peer.held.empty() ? 0 : peer.held.back().due_ns;
  const std::uint64_t now = clock_.NowNs();
  std::uint64_t due = now + random_() % (2 * delay + 1);
  if (rate != 0) {
    const std::uint64_t bytes = kRequestBytes + request.length;
    peer.free_ns = std::max(peer.free_ns, now) + bytes * 1'000'000'000 / rate;
    due = std::max(due, peer.free_ns);
  }
  peer.held.push_back({std::max(earliest, due), request});
}

void FaultTransport::HandOn(Peer& peer, const Request& request) {
  ++peer.counts.sent;
  peer.counts.sent_bytes += request.length;
  if (peer.breaking && peer.breaking->left != 0) {
    --peer.breaking->left;
    peer.breaking->doubtful.push_back(request.token);
    if (!peer.breaking->done)
      return;
    withheld_.insert(request.token);
  }
  const bool put = request.kind == OperationKind::kPut || request.kind == OperationKind::kPutNotify;
  const auto fault = faults_.find(peer.info.id.node);
  const bool hold =
      fault != faults_.end() && fault->second.hold && put && request.length >= kHeldPut;
  if (hold) {
    fault->second.hold = false;
    if (inner_->Name() == "mapped")
      HoldNextPut();
  }
  inner_->Submit(request);
  if (hold && inner_->Name() != "mapped")
    raise(SIGSTOP);
}

// When all the requests that it was to be at have come, and what was begun of them has ended.
bool FaultTransport::BreakIsDue(const Peer& peer) const {
  return peer.at_break() && std::ranges::none_of(peer.breaking->doubtful, [this](Token token) {
           return withheld_.contains(token);
         });
}

void FaultTransport::BreakNow(Peer& peer) {
  const PeerInfo info = peer.info;
  inner_->RemovePeer(info.id, Status::kEndpointDown);
  EndDoubtful(peer, Status::kEndpointDown);
  FailHeld(peer, Status::kEndpointDown);
  inner_->AddPeer(info);
}

void FaultTransport::EndDoubtful(Peer& peer, Status why) {
  if (!peer.breaking)
    return;
  const std::vector<Token> doubtful = std::move(peer.breaking->doubtful);
  peer.breaking.reset();
  for (const Token token : doubtful) {
    withheld_.erase(token);
    events_.OnCompletion({token, Outcome::kUnknown, why, 0});
  }
}

void FaultTransport::FailHeld(Peer& peer, Status why) {
  std::deque<Held> held;
  held.swap(peer.held);
  for (const Held& one : held) events_.OnCompletion({one.request.token, Outcome::kNotSent, why, 0});
}

std::size_t FaultTransport::Progress() {
  std::size_t released = 0;
  const std::uint64_t now = clock_.NowNs();
  for (auto& [id, peer] : peers_) {
    if (BreakIsDue(
            peer)) {  // here, not where it came due: the inner transport may be at work there
      BreakNow(peer);
      ++released;
    }
    while (!peer.held.empty() && peer.held.front().due_ns <= now && !peer.at_break()) {
      const Request request = peer.held.front().request;
      peer.held.pop_front();
      HandOn(peer, request);
      ++released;
    }
  }
  return released + inner_->Progress();
}

std::uint64_t FaultTransport::NextTimer() const {
  std::uint64_t next = inner_->NextTimer();
  for (const auto& [id, peer] : peers_) {
    if (BreakIsDue(peer))
      next = EarlierTimer(next, 1);
    else if (!peer.held.empty() && !peer.at_break())
      next = EarlierTimer(next, std::max<std::uint64_t>(peer.held.front().due_ns, 1));
  }
  return next;
}

// -- what is heard ------------------------------------------------------------------------------

void FaultTransport::OnMessage(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                               std::span<const std::byte> message) {
  if (const auto found = peers_.find(from); found != peers_.end()) {
    ++found->second.counts.messages;
    found->second.counts.message_bytes += message.size();
  }
  events_.OnMessage(from, channel, receiver_cpu, message);
}

void FaultTransport::OnNotify(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                              std::uint64_t word) {
  if (const auto found = peers_.find(from); found != peers_.end())
    ++found->second.counts.notifications;
  events_.OnNotify(from, channel, receiver_cpu, word);
}

void FaultTransport::OnCompletion(const Completion& completion) {
  if (withheld_.erase(completion.token) == 0)  // else: its end is told with its endpoint's
    events_.OnCompletion(completion);
}

void FaultTransport::OnPeerDown(PeerId peer, Status why) {
  if (const auto found = peers_.find(peer); found != peers_.end())
    ++found->second.counts.breaks;
  events_.OnPeerDown(peer, why);
}

}  // namespace k42::interconnect
