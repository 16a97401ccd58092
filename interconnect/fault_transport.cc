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
    FailHeld(peer, Status::kEndpointDown);
  }
}

void FaultTransport::Delay(std::uint32_t node, std::uint64_t delay_ns) {
  faults_[node].delay_ns = delay_ns;
}

void FaultTransport::Hold(std::uint32_t node) {
  faults_[node].hold = true;
}

void FaultTransport::Heal(std::uint32_t node) {
  const bool was_cut = IsCut(node);
  faults_.erase(node);
  if (!was_cut)
    return;
  for (auto& [id, peer] : peers_) {
    if (id.node == node)
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
  FailHeld(found->second, why);
  inner_->RemovePeer(id, why);
  peers_.erase(id);
}

void FaultTransport::Submit(const Request& request) {
  const auto found = peers_.find(request.peer);
  if (found == peers_.end())
    return inner_->Submit(request);  // which knows how that ends
  Peer& peer = found->second;
  if (IsCut(request.peer.node))
    return events_.OnCompletion({request.token, Outcome::kNotSent, Status::kEndpointDown, 0});
  const std::uint64_t delay = DelayOf(request.peer.node);
  if (delay == 0 && peer.held.empty())
    return HandOn(peer, request);
  if (peer.held.size() >= kMaxWaiting)
    return events_.OnCompletion({request.token, Outcome::kNotSent, Status::kBusy, 0});
  const std::uint64_t earliest = peer.held.empty() ? 0 : peer.held.back().due_ns;
  const std::uint64_t due = clock_.NowNs() + random_() % (2 * delay + 1);
  peer.held.push_back({std::max(earliest, due), request});
}

void FaultTransport::HandOn(Peer& peer, const Request& request) {
  ++peer.counts.sent;
  peer.counts.sent_bytes += request.length;
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

void FaultTransport::FailHeld(Peer& peer, Status why) {
  std::deque<Held> held;
  held.swap(peer.held);
  for (const Held& one : held) events_.OnCompletion({one.request.token, Outcome::kNotSent, why, 0});
}

std::size_t FaultTransport::Progress() {
  std::size_t released = 0;
  const std::uint64_t now = clock_.NowNs();
  for (auto& [id, peer] : peers_) {
    while (!peer.held.empty() && peer.held.front().due_ns <= now) {
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
    if (!peer.held.empty())
      next = EarlierTimer(next, peer.held.front().due_ns);
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

void FaultTransport::OnPeerDown(PeerId peer, Status why) {
  if (const auto found = peers_.find(peer); found != peers_.end())
    ++found->second.counts.breaks;
  events_.OnPeerDown(peer, why);
}

}  // namespace k42::interconnect
