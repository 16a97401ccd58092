#include "interconnect/link_host.h"

#include <algorithm>
#include <utility>

#include "abi/link_control.h"
#include "interconnect/request_queue.h"

namespace k42::interconnect {
namespace {

PeerId PeerOf(const abi::RecordHeader& header) {
  return {header.peer_node, header.peer_incarnation};
}

// Of a peer's sending, and lost with its endpoint if there is no room.
bool IsPeers(const abi::RecordHeader& header) {
  const bool from_daemon = header.peer_node == abi::kDaemonNode &&
                           header.channel == static_cast<std::uint16_t>(abi::Channel::kControl);
  return header.kind == abi::RecordKind::kNotify ||
         (header.kind == abi::RecordKind::kMessage && !from_daemon);
}

}  // namespace

// -- life ---------------------------------------------------------------------------------------

Status LinkHost::Attach() {
  TRY(arena_.CheckHeader());
  const abi::ArenaLayout& layout = arena_.layout();
  std::vector<Cpu> cpus(layout.cpu_count);
  for (std::uint32_t i = 0; i < layout.cpu_count; ++i) {
    cpus[i].submit =
        TRY(abi::SubmitConsumer::Adopt(arena_.Get<abi::SubmitRingMemory>(layout.SubmitRingAt(i))));
    cpus[i].receive = TRY(
        abi::ReceiveProducer::Adopt(arena_.Get<abi::ReceiveRingMemory>(layout.ReceiveRingAt(i))));
  }
  cpus_ = std::move(cpus);
  abi::DaemonHeader& header = arena_.daemon();
  if (header.magic != abi::kDaemonMagic) {
    header.magic = abi::kDaemonMagic;
    header.version = abi::kArenaVersion;
  }
  generation_ = header.generation.load() + 1;
  header.generation.store(generation_);
  header.state.store(abi::DaemonState::kAttached);
  return Status::kOk;
}

void LinkHost::GoUp(const LocalIdentity& identity, std::uint64_t lease_id) {
  identity_ = identity;
  abi::DaemonHeader& header = arena_.daemon();
  header.node_id = identity.self.node;
  header.cluster_id = identity.cluster_id;
  header.lease_id = lease_id;
  std::memcpy(header.secret, identity.secret.data(), sizeof header.secret);
  header.incarnation = identity.self.incarnation;
  header.state.store(abi::DaemonState::kUp);
  for (std::uint32_t cpu = 0; cpu < cpus_.size(); ++cpu) wiring_.call(cpu);
}

void LinkHost::Open() {
  if (!std::exchange(open_, true))
    SettlePredecessor();
}

void LinkHost::Detach() {
  SetAuthority(0);
  arena_.daemon().state.store(abi::DaemonState::kDetached);
  open_ = false;
}

// What was taken and not ended when the predecessor died, each CPU's in the order of submission: a
// later put's notification speaks for the earlier ones. Nothing of ours is under way yet.
void LinkHost::SettlePredecessor() {
  struct Left {
    std::uint32_t cpu;
    std::uint32_t order;
    std::uint64_t id;
  };
  std::vector<Left> left;
  for (std::uint32_t slot = 0; slot < arena_.layout().OperationCount(); ++slot) {
    abi::Operation& operation = arena_.operation(slot);
    std::uint64_t id = operation.id.load(std::memory_order_acquire);
    if (id == 0 || abi::OperationSlot(id) != slot || operation.taken.load() != id)
      continue;
    if (operation.ended.load() == id) {
      abi::RecordHeader record{};
      record.kind = abi::RecordKind::kCompletion;
      record.value = id;
      Put(slot / abi::kOperationsPerCpu, record, {});
      continue;
    }
    if (LoadOnce(operation.generation) == generation_)
      continue;  // ours: taken since Attach
    left.push_back({slot / abi::kOperationsPerCpu, LoadOnce(operation.order), id});
  }
  std::sort(left.begin(), left.end(), [](const Left& a, const Left& b) {
    // The counter wraps; a CPU has only a few operations under way.
    return a.cpu != b.cpu ? a.cpu < b.cpu : static_cast<std::int32_t>(a.order - b.order) < 0;
  });
  for (const Left& one : left) {
    abi::Operation& operation = arena_.operation(abi::OperationSlot(one.id));
    bool repeat = LoadOnce(operation.kind) == OperationKind::kGet ||
                  (LoadOnce(operation.flags) & abi::kRepeatable) != 0;
    if (repeat)
      Begin(one.id, operation);
    else
      OnCompletion({one.id, Outcome::kUnknown, Status::kUnknown, 0});
  }
}

// -- kernel to fabric ---------------------------------------------------------------------------

std::size_t LinkHost::Serve() {
  if (broken_ || !attached())
    return 0;
  std::size_t served = 0;
  for (std::uint32_t cpu = 0; cpu < cpus_.size(); ++cpu) served += ServeCpu(cpu);
  Calls();
  arena_.daemon().daemon_heartbeat.store(clock_.NowNs(), std::memory_order_relaxed);
  return served;
}

std::size_t LinkHost::ServeCpu(std::uint32_t number) {
  Cpu& cpu = cpus_[number];
  cpu.submit.Retract();
  FlushBacklog(cpu);
  std::size_t served = 0;
  // Bounded: operations may end as fast as the kernel submits, and there is other work than its.
  for (; served < abi::kSubmitEntries && !broken_; ++served) {
    auto front = cpu.submit.Front();
    if (front.status() == Status::kWouldBlock)
      return served;
    std::uint32_t slot = front.ok() ? abi::OperationSlot(front.value()) : ~0u;
    if (!front.ok() || slot / abi::kOperationsPerCpu != number) {
      broken_ = true;
      return served;
    }
    // Marked before it leaves the ring: a successor finds it in one of the two places.
    abi::Operation& operation = arena_.operation(slot);
    std::uint64_t id = front.value();
    bool fresh = operation.id.load(std::memory_order_acquire) == id && operation.taken.load() != id;
    if (fresh) {
      operation.generation = generation_;
      operation.taken.store(id);
    }
    cpu.submit.Drop();
    if (fresh)
      Begin(id, operation);
  }
  return served;
}

void LinkHost::Begin(std::uint64_t id, abi::Operation& operation) {
  Request request;
  request.token = id;
  request.kind = LoadOnce(operation.kind);
  request.peer = {LoadOnce(operation.peer_node), LoadOnce(operation.peer_incarnation)};
  request.channel = LoadOnce(operation.channel);
  request.receiver_cpu = LoadOnce(operation.receiver_cpu);
  request.local_offset = LoadOnce(operation.local_offset);
  request.length = LoadOnce(operation.length);
  request.window = LoadOnce(operation.window);
  request.remote_offset = LoadOnce(operation.remote_offset);
  request.operand = LoadOnce(operation.operand);
  request.compare = LoadOnce(operation.compare);
  std::uint64_t budget = LoadOnce(operation.budget_ns);
  request.deadline_ns = budget == 0 ? 0 : clock_.NowNs() + budget;

  bool known = request.kind >= OperationKind::kSend &&
               request.kind <= OperationKind::kRevokeWindow &&
               static_cast<std::uint16_t>(request.channel) < abi::kChannelCount;
  if (!known)
    return OnCompletion({id, Outcome::kNotSent, Status::kInvalidArgument, 0});
  if (request.kind == OperationKind::kRevokeWindow)
    return Revoke(id, request.window);
  if (request.kind == OperationKind::kSend)
    return BeginSend(request, id);
  Transport* transport = open_ ? wiring_.route(request.peer) : nullptr;
  if (transport == nullptr)
    return OnCompletion({id, Outcome::kNotSent, WhyNoWay(request.peer), 0});
  transport->Submit(request);
}

Status LinkHost::WhyNoWay(PeerId peer) const {
  return !open_ || wiring_.is_member(peer) ? Status::kUnavailable : Status::kNotInView;
}

void LinkHost::BeginSend(const Request& request, std::uint64_t id) {
  auto refuse = [this, id](Status why) { OnCompletion({id, Outcome::kNotSent, why, 0}); };
  if (!arena_.layout().InData(request.local_offset, request.length))
    return refuse(Status::kOutOfRange);
  std::span<const std::byte> message(arena_.At(request.local_offset), request.length);
  abi::Frame frame;
  if (auto shape = abi::CheckFrame(message, &frame); !shape.ok())
    return refuse(shape.status());
  std::span<const std::byte> payload = message.subspan(sizeof frame);
  if (request.peer.node == abi::kDaemonNode) {
    if (frame.kind == abi::FrameKind::kEcho)
      SendToKernel(frame.cpu, abi::FrameKind::kEchoReply, frame.method, payload, frame.sequence);
    else
      wiring_.on_control(frame, payload);
    return OnCompletion({id, Outcome::kDone, Status::kOk, 0});
  }
  if (!open_)
    return refuse(Status::kUnavailable);
  if (frame.sender_node != identity_.self.node ||
      frame.sender_incarnation != identity_.self.incarnation ||
      frame.receiver_node != request.peer.node ||
      frame.receiver_incarnation != request.peer.incarnation)
    return refuse(Status::kPermissionDenied);
  Transport* transport = wiring_.route(request.peer);
  if (transport == nullptr)
    return refuse(WhyNoWay(request.peer));
  transport->Submit(request);
}

// Ends when every transport has let go; as the worst of their answers. Without transports there is
// nobody who could say that a predecessor's neighbours have.
void LinkHost::Revoke(std::uint64_t id, abi::WindowId window) {
  std::vector<Transport*> transports = wiring_.transports();
  if (transports.empty())
    return OnCompletion({id, Outcome::kUnknown, Status::kUnavailable, 0});
  revocations_[id] = {transports.size() + 1, {id, Outcome::kDone, Status::kOk, 0}};
  for (Transport* transport : transports) transport->RevokeWindow(id, window);
  OnCompletion({id, Outcome::kDone, Status::kOk, 0});  // our own count
}

bool LinkHost::Arm() {
  for (Cpu& cpu : cpus_) cpu.submit.Announce();
  for (Cpu& cpu : cpus_) {
    auto available = cpu.submit.Available();
    if (!available.ok() || available.value() != 0)
      return broken_;
  }
  return true;
}

// -- fabric to kernel ---------------------------------------------------------------------------

bool LinkHost::FlushBacklog(Cpu& cpu) {
  bool announced = false;
  while (!cpu.backlog.empty()) {
    const Record& record = cpu.backlog.front();
    Status status = cpu.receive.Write(record.header, record.payload);
    if (status == Status::kWouldBlock) {
      if (announced)
        return false;
      cpu.receive.AnnounceWait();  // then look once more
      announced = true;
      continue;
    }
    broken_ |= status == Status::kCorrupt;
    const bool quiet = record.trait == Trait::kQuietEnd;
    cpu.quiet += quiet ? 1 : 0;
    cpu.call_due |= !quiet || cpu.quiet > abi::kMostQuietEnds;
    cpu.backlog_bytes -= record.payload.size() + sizeof record.header;
    cpu.ends -= record.header.kind == abi::RecordKind::kCompletion ? 1 : 0;
    if (record.header.kind == abi::RecordKind::kPeerDown)
      cpu.downs.erase({PeerOf(record.header), record.header.value});
    cpu.view &= record.trait != Trait::kView;
    cpu.backlog.pop_front();
  }
  if (announced)
    cpu.receive.RetractWait();
  return true;
}

// False: there is no room for it, not even in the backlog; of what peers send. What the daemon
// tells its own kernel finds room: nobody says it again.
bool LinkHost::Put(std::uint32_t number, const abi::RecordHeader& header,
                   std::span<const std::byte> payload, Trait trait) {
  if (!attached() || broken_)
    return false;
  Cpu& cpu = cpus_[CpuOf(number)];
  const std::size_t size = payload.size() + sizeof header;
  if (IsPeers(header) && cpu.backlog_bytes + size > kMaxBacklog)
    return false;
  if (header.kind == abi::RecordKind::kPeerDown &&
      cpu.downs.contains({PeerOf(header), header.value}))
    return true;
  if (trait == Trait::kView && cpu.view)
    DropWaitingView(cpu);
  Keep(cpu, {header, {payload.begin(), payload.end()}, trait});
  FlushBacklog(cpu);
  broken_ |= cpu.ends > kMostEnds || cpu.backlog_bytes > kMostBacklog;
  return true;
}

void LinkHost::Keep(Cpu& cpu, Record record) {
  const PeerId peer = PeerOf(record.header);
  if (IsPeers(record.header)) {
    cpu.downs.erase(cpu.downs.lower_bound({peer, 0}), cpu.downs.upper_bound({peer, ~0ull}));
    cpu.view = false;
  }
  if (record.header.kind == abi::RecordKind::kPeerDown)
    cpu.downs.insert({peer, record.header.value});
  cpu.ends += record.header.kind == abi::RecordKind::kCompletion ? 1 : 0;
  cpu.view |= record.trait == Trait::kView;
  cpu.backlog_bytes += record.payload.size() + sizeof record.header;
  cpu.backlog.push_back(std::move(record));
}

// The last one: a newer one takes its place.
void LinkHost::DropWaitingView(Cpu& cpu) {
  const auto last = std::find_if(cpu.backlog.rbegin(), cpu.backlog.rend(),
                                 [](const Record& record) { return record.trait == Trait::kView; });
  cpu.backlog_bytes -= last->payload.size() + sizeof last->header;
  cpu.backlog.erase(std::next(last).base());
}

// After a batch, one interrupt for each CPU that asked for it.
void LinkHost::Calls() {
  for (std::uint32_t i = 0; i < cpus_.size(); ++i) {
    if (!std::exchange(cpus_[i].call_due, false))
      continue;
    cpus_[i].quiet = 0;
    if (cpus_[i].receive.TakeWake())
      wiring_.call(i);
  }
}

void LinkHost::OnMessage(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                         std::span<const std::byte> message) {
  abi::Frame frame;
  if (!abi::CheckFrame(message, &frame).ok() || frame.sender_node != from.node ||
      frame.sender_incarnation != from.incarnation ||
      frame.receiver_incarnation != identity_.self.incarnation)
    return;  // for another life of this node, or not from who sent it
  abi::RecordHeader record{};
  record.kind = abi::RecordKind::kMessage;
  record.channel = static_cast<std::uint16_t>(channel);
  record.peer_node = from.node;
  record.peer_incarnation = from.incarnation;
  if (!Put(receiver_cpu, record, message))
    overflowed_.insert(from);
}

void LinkHost::OnNotify(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                        std::uint64_t word) {
  abi::RecordHeader record{};
  record.kind = abi::RecordKind::kNotify;
  record.channel = static_cast<std::uint16_t>(channel);
  record.peer_node = from.node;
  record.peer_incarnation = from.incarnation;
  record.value = word;
  if (!Put(receiver_cpu, record, {}))
    overflowed_.insert(from);
}

void LinkHost::OnCompletion(const Completion& completion) {
  Completion end = completion;
  if (auto it = revocations_.find(end.token); it != revocations_.end()) {
    auto& [left, worst] = it->second;
    if (end.outcome != Outcome::kDone)
      worst = end;
    if (--left != 0)
      return;
    end = worst;
    revocations_.erase(it);
  }
  std::uint32_t slot = abi::OperationSlot(end.token);
  abi::Operation& operation = arena_.operation(slot);
  if (operation.taken.load() != end.token)
    return;  // the guest is another one by now
  operation.outcome = end.outcome;
  operation.status = end.status;
  operation.value = end.value;
  operation.ended.store(end.token, std::memory_order_release);
  abi::RecordHeader record{};
  record.kind = abi::RecordKind::kCompletion;
  record.value = end.token;
  const bool quiet =
      end.outcome == Outcome::kDone && (LoadOnce(operation.flags) & abi::kQuietEnd) != 0;
  Put(slot / abi::kOperationsPerCpu, record, {}, quiet ? Trait::kQuietEnd : Trait::kNone);
}

void LinkHost::OnPeerDown(PeerId peer, Status why) {
  for (std::uint32_t cpu = 0; cpu < cpus_.size(); ++cpu) {
    abi::RecordHeader record{};
    record.kind = abi::RecordKind::kPeerDown;
    record.peer_node = peer.node;
    record.peer_incarnation = peer.incarnation;
    record.value = static_cast<std::uint64_t>(why);
    Put(cpu, record, {});
  }
}

void LinkHost::SendToKernel(std::uint32_t cpu, abi::FrameKind kind, std::uint32_t method,
                            std::span<const std::byte> payload, std::uint64_t sequence) {
  abi::Frame frame{};
  frame.magic = abi::kFrameMagic;
  frame.version = abi::kFrameVersion;
  frame.kind = kind;
  frame.method = method;
  frame.payload_size = static_cast<std::uint32_t>(payload.size());
  frame.sender_node = abi::kDaemonNode;
  frame.receiver_node = identity_.self.node;
  frame.receiver_incarnation = identity_.self.incarnation;
  frame.sequence = sequence;
  frame.cpu = cpu;
  std::vector<std::byte> message(sizeof frame + payload.size());
  std::memcpy(message.data(), &frame, sizeof frame);
  std::copy(payload.begin(), payload.end(), message.begin() + sizeof frame);
  abi::RecordHeader record{};
  record.kind = abi::RecordKind::kMessage;
  record.channel = static_cast<std::uint16_t>(
      kind == abi::FrameKind::kEchoReply ? abi::Channel::kEcho : abi::Channel::kControl);
  record.peer_node = abi::kDaemonNode;
  const bool view = kind == abi::FrameKind::kControl &&
                    method == static_cast<std::uint32_t>(abi::ControlKind::kView);
  Put(cpu, record, message, view ? Trait::kView : Trait::kNone);
  Calls();
}

// -- time ---------------------------------------------------------------------------------------

// The kernel's clock is at least at its last heartbeat, so this deadline can only come too early.
void LinkHost::SetAuthority(std::uint64_t host_deadline_ns) {
  abi::DaemonHeader& header = arena_.daemon();
  std::uint64_t heartbeat = arena_.header().heartbeat.load();
  std::uint64_t now = clock_.NowNs();
  bool valid = host_deadline_ns > now && heartbeat != 0;
  header.authority_deadline.store(valid ? heartbeat + (host_deadline_ns - now) : 0);
}

std::uint64_t LinkHost::HeartbeatAgeNs() {
  std::uint64_t heartbeat = arena_.header().heartbeat.load(std::memory_order_relaxed);
  std::uint64_t now = clock_.NowNs();
  if (heartbeat != heartbeat_ || heartbeat_seen_ns_ == 0) {
    heartbeat_ = heartbeat;
    heartbeat_seen_ns_ = now;
  }
  return now - heartbeat_seen_ns_;
}

}  // namespace k42::interconnect
