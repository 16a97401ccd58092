#include "interconnect/mapped_transport.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "interconnect/memory_operation.h"

namespace k42::interconnect {

std::unique_ptr<MappedTransport> MappedTransport::Create(const LocalIdentity& self, Arena& arena,
                                                         const std::string& socket_path,
                                                         Events& events, const Clock& clock) {
  std::unique_ptr<MappedTransport> transport(
      new MappedTransport(self, arena, socket_path, events, clock));
  transport->epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  transport->listener_ = ListenUnix(socket_path, SOCK_SEQPACKET);
  if (!transport->epoll_ || !transport->listener_)
    return nullptr;
  transport->buffer_.resize(kMaxPacket);
  transport->holders_.Adopt();
  transport->Watch(transport->listener_.get(), EPOLLIN, true);
  return transport;
}

void MappedTransport::Watch(int fd, std::uint32_t interest, bool add) {
  epoll_event event{};
  event.events = interest;
  event.data.fd = fd;
  epoll_ctl(epoll_.get(), add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
}

void MappedTransport::AddPeer(const PeerInfo& peer) {
  outgoing_.try_emplace(peer.id).first->second.peer = peer;
}

void MappedTransport::RemovePeer(PeerId peer, Status why) {
  if (auto it = outgoing_.find(peer); it != outgoing_.end()) {
    Break(it->second, why);
    outgoing_.erase(it);
  }
  for (auto& [fd, from] : incoming_) {
    if (from.state == Incoming::State::kLingering || from.peer != peer)
      continue;
    Linger(from);
  }
}

void MappedTransport::Submit(const Request& request) {
  auto it = outgoing_.find(request.peer);
  if (it == outgoing_.end()) {
    End(events_, request, Outcome::kNotSent, Status::kNotInView);
    return;
  }
  if (Status status = CheckLocal(arena_, request); status != Status::kOk) {
    End(events_, request, Outcome::kNotSent, status);
    return;
  }
  Outgoing& to = it->second;
  to.queue.Push(request, events_);
  if (to.state == Outgoing::State::kIdle && clock_.NowNs() >= to.next_try_ns)
    Connect(to);
  else if (to.state == Outgoing::State::kUp && !to.blocked)
    Drain(to);
}

void MappedTransport::RevokeWindow(Token token, abi::WindowId window) {
  std::set<int> waiting;
  std::vector<std::pair<int, Status>> deaf;
  for (auto& [fd, from] : incoming_) {
    if (from.state != Incoming::State::kUp && from.state != Incoming::State::kLingering)
      continue;
    waiting.insert(fd);
    if (from.state != Incoming::State::kUp)
      continue;
    const Transfer told = SendPacket(fd, {.type = PacketType::kRevoke,
                                          .channel = 0,
                                          .reserved = 0,
                                          .receiver_cpu = 0,
                                          .length = 0,
                                          .word = window});
    if (told != Transfer::kDone)
      deaf.push_back({fd, HasClosed(fd) ? Status::kEndpointDown : Status::kTimedOut});
  }
  for (const ArenaHolders::Slot slot : holders_.HeirsHolding()) {
    waiting.insert(HeirNumber(slot));
    awaited_.insert(slot);
    look_for_heirs_ns_ = clock_.NowNs() + kLookForHeirsNs;
  }
  if (waiting.empty())
    events_.OnCompletion({token, Outcome::kDone, Status::kOk, 0});
  else
    revocations_.Add(window, token, std::move(waiting));
  // Who does not take the word (it has been stopped for long) must close instead: when its process
  // goes on it sees the end of the connection, unmaps, and all its revocations end. Who has closed
  // has unmapped.
  for (const auto& [fd, why] : deaf) Drop(incoming_.at(fd), why);
}

std::uint64_t MappedTransport::NextTimer() const {
  std::uint64_t next = 0;
  for (const auto& [id, to] : outgoing_) {
    next = EarlierTimer(next, to.queue.NextDeadline());
    if (to.state == Outgoing::State::kIdle && !to.queue.empty())
      next = EarlierTimer(next, to.next_try_ns);
    if (to.state == Outgoing::State::kHelloSent || to.state == Outgoing::State::kConfirmed)
      next = EarlierTimer(next, to.give_up_ns);
  }
  for (const auto& [fd, from] : incoming_) {
    if (from.state == Incoming::State::kNew || from.state == Incoming::State::kWelcomed)
      next = EarlierTimer(next, from.give_up_ns);
  }
  return awaited_.empty() ? next : EarlierTimer(next, look_for_heirs_ns_);
}

std::size_t MappedTransport::Timers() {
  std::uint64_t now = clock_.NowNs();
  std::size_t ended = 0;
  for (auto& [id, to] : outgoing_) {
    ended += to.queue.Expire(now, events_, to.begun ? 1 : 0);
    if (to.state == Outgoing::State::kIdle && !to.queue.empty() && now >= to.next_try_ns)
      Connect(to);
    bool in_handshake =
        to.state == Outgoing::State::kHelloSent || to.state == Outgoing::State::kConfirmed;
    if (in_handshake && now >= to.give_up_ns)
      Break(to, Status::kTimedOut);
  }
  std::vector<int> late;
  for (auto& [fd, from] : incoming_) {
    bool in_handshake =
        from.state == Incoming::State::kNew || from.state == Incoming::State::kWelcomed;
    if (in_handshake && now >= from.give_up_ns)
      late.push_back(fd);
  }
  for (int fd : late) Drop(incoming_.at(fd), Status::kTimedOut);
  if (!awaited_.empty() && now >= look_for_heirs_ns_)
    LookForHeirs();
  return ended;
}

std::size_t MappedTransport::Progress() {
  delivered_ = Timers();
  epoll_event ready[32];
  int count = epoll_wait(epoll_.get(), ready, 32, 0);
  for (int i = 0; i < count; ++i) delivered_ += Serve(ready[i].data.fd, ready[i].events);
  return delivered_;
}

// One readiness of one socket. A packet's handler may drop any connection, so every round looks the
// socket up again.
std::size_t MappedTransport::Serve(int fd, std::uint32_t ready) {
  if (fd == listener_.get()) {
    Accept();
    return 1;
  }
  std::size_t served = 0;
  if ((ready & EPOLLOUT) != 0) {
    if (auto it = sockets_.find(fd); it != sockets_.end()) {
      Outgoing& to = outgoing_.at(it->second);
      to.blocked = false;
      Watch(fd, EPOLLIN, false);
      Drain(to);
    }
  }
  constexpr int kPacketsAtOnce = 64;  // then the others' turn
  for (int i = 0; i < kPacketsAtOnce; ++i) {
    auto out = sockets_.find(fd);
    auto in = incoming_.find(fd);
    if (out == sockets_.end() && in == incoming_.end())
      break;
    std::size_t size = 0;
    std::vector<UniqueFd> fds;
    Transfer transfer = ReceiveUnix(fd, buffer_, &size, &fds);
    if (transfer == Transfer::kAgain)
      break;
    PacketHeader packet{};
    std::span<const std::byte> body;
    bool fine = transfer == Transfer::kDone &&
                ParsePacket(std::span(buffer_).first(size), &packet, &body) == Status::kOk;
    ++served;
    if (out != sockets_.end()) {
      Outgoing& to = outgoing_.at(out->second);
      if (fine)
        OnOutgoingPacket(to, packet, body, fds);
      else
        Break(to, transfer == Transfer::kClosed ? Status::kEndpointDown : Status::kCorrupt);
    } else if (fine) {
      OnIncomingPacket(in->second, packet, body);
    } else {
      Drop(in->second, HasClosed(fd) ? Status::kEndpointDown : Status::kCorrupt);
    }
  }
  return served;
}

}  // namespace k42::interconnect
