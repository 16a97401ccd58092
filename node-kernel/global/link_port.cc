#include "global/link_port.h"

#include <cstring>

#include "abi/arena_format.h"
#include "machine/log.h"
#include "machine/random.h"
#include "trace/trace.h"

namespace k42::global {
namespace {

constexpr std::uint64_t kBuffersPerCpu = std::uint64_t{abi::kOperationsPerCpu} * abi::kMaxMessage;
static_assert(kBuffersPerCpu <= abi::kChunkSize);

}  // namespace

Status LinkPort::Start(std::byte* arena, std::uint64_t size, std::uint32_t cpus,
                       LinkDoorbell& doorbell) {
  base_ = arena;
  doorbell_ = &doorbell;
  std::uint8_t boot_id[16];
  machine::FillRandom(boot_id, sizeof boot_id);
  layout_ = TRY(abi::ComputeArenaLayout(size, cpus));
  if (cpus * kBuffersPerCpu > layout_.data_end - layout_.data)
    return Status::kNoSpace;
  TRY(abi::FormatArena(arena, size, cpus, boot_id));
  memory_.Start(base_, layout_);
  for (std::uint32_t number = 0; number < cpus; ++number) {
    Cpu& cpu = cpus_[number];
    cpu.buffers = TRY(memory_.Allocate(kBuffersPerCpu, abi::ChunkUse::kMessage));
    cpu.submit = abi::SubmitProducer(
        *reinterpret_cast<abi::SubmitRingMemory*>(base_ + layout_.SubmitRingAt(number)));
    cpu.receive = abi::ReceiveConsumer(
        *reinterpret_cast<abi::ReceiveRingMemory*>(base_ + layout_.ReceiveRingAt(number)));
  }
  started_ = true;
  return Status::kOk;
}

void LinkPort::SetReceiver(abi::Channel channel, LinkReceiver& receiver) {
  receivers_[static_cast<std::size_t>(channel)] = &receiver;
}

// -- out ----------------------------------------------------------------------------------------

void LinkPort::Submit(LinkRequest& request) {
  const machine::CpuId number = machine::CurrentCpu();
  Cpu& cpu = cpus_[number];
  request.outcome = abi::Outcome::kNone;
  if (!started_ || cpu.broken) {
    request.outcome = abi::Outcome::kNotSent;
    request.status = Status::kUnavailable;
    return request.done(request);
  }
  const LinkLanes::Lane lane = LinkLanes::Of(request);
  if (cpu.lanes.MayIssue(lane))
    Issue(number, lane, request);
  else
    cpu.lanes.Wait(lane, request);
}

// Frame and payload into the operation's own buffer.
Status LinkPort::WriteMessage(const ArenaRange& buffers, std::uint32_t index, LinkRequest& request,
                              abi::Operation& operation) {
  const std::uint64_t size = sizeof(abi::Frame) + request.payload.size();
  if (size > abi::kMaxMessage)
    return Status::kMessageTooLong;
  abi::Frame& frame = request.frame;
  const LinkPeer self = Self();
  frame.magic = abi::kFrameMagic;
  frame.version = abi::kFrameVersion;
  frame.payload_size = static_cast<std::uint32_t>(request.payload.size());
  frame.sender_node = self.node;
  frame.sender_incarnation = self.incarnation;
  frame.receiver_node = request.peer.node;
  frame.receiver_incarnation = request.peer.incarnation;
  frame.target_cpu = request.receiver_cpu;
  frame.epoch = epoch();
  frame.budget_ns = request.budget_ns;
  std::byte* at = buffers.memory + std::uint64_t{index} * abi::kMaxMessage;
  std::memcpy(at, &frame, sizeof frame);
  if (!request.payload.empty())
    std::memcpy(at + sizeof frame, request.payload.data(), request.payload.size());
  operation.local_offset = buffers.offset + std::uint64_t{index} * abi::kMaxMessage;
  operation.length = static_cast<std::uint32_t>(size);
  return Status::kOk;
}

void LinkPort::Issue(machine::CpuId number, LinkLanes::Lane lane, LinkRequest& request) {
  Cpu& cpu = cpus_[number];
  const bool scarce = cpu.lanes.Scarce(lane);
  const std::uint32_t index = cpu.lanes.Take(lane);
  const std::uint32_t slot = number * abi::kOperationsPerCpu + index;
  auto& operation = *reinterpret_cast<abi::Operation*>(base_ + layout_.OperationAt(slot));
  operation.kind = request.kind;
  operation.channel = request.channel;
  operation.flags = scarce ? request.flags & ~std::uint32_t{abi::kQuietEnd} : request.flags;
  operation.peer_node = request.peer.node;
  operation.peer_incarnation = request.peer.incarnation;
  operation.local_offset = request.local_offset;
  operation.length = request.length;
  operation.window = request.window;
  operation.remote_offset = request.remote_offset;
  operation.budget_ns = request.budget_ns;
  operation.operand = request.operand;
  operation.compare = request.compare;
  operation.receiver_cpu = request.receiver_cpu;
  operation.order = ++cpu.issued;
  if (request.kind == abi::OperationKind::kSend) {
    const Status status = WriteMessage(cpu.buffers, index, request, operation);
    if (status != Status::kOk) {
      cpu.lanes.Give(index);
      request.outcome = abi::Outcome::kNotSent;
      request.status = status;
      return request.done(request);
    }
  }
  cpu.under_way[index] = &request;
  const std::uint64_t id = abi::MakeOperationId(++cpu.use_count[index], slot);
  operation.id.store(id, std::memory_order_release);
  trace::Log(trace::kLinkSubmit, id, static_cast<std::uint16_t>(request.kind), request.peer.node,
             operation.length);
  if (cpu.submit.Push(id) != Status::kOk)
    return Break(number);
  if (cpu.submit.TakeWake())
    doorbell_->Kick(number);
}

// -- in -----------------------------------------------------------------------------------------

std::size_t LinkPort::Drain() {
  const machine::CpuId number = machine::CurrentCpu();
  Cpu& cpu = cpus_[number];
  if (!started_ || cpu.broken)
    return 0;
  cpu.receive.Retract();
  const std::uint32_t generation = DaemonGeneration();
  const bool changed = header().generation_seen.load(std::memory_order_relaxed) != generation;
  const std::uint32_t seen = changed ? header().generation_seen.exchange(generation) : generation;
  if (seen != generation && seen != 0) {
    for (LinkReceiver* receiver : receivers_) {
      if (receiver != nullptr)
        receiver->OnDaemonChanged();
    }
  }
  // Bounded: a fast peer fills the ring as fast as we empty it, and other threads want the CPU.
  constexpr std::size_t kAtOnce = 64;
  std::size_t count = 0;
  for (; count < kAtOnce && !cpu.broken; ++count) {
    const auto record = cpu.receive.Front();
    if (record.status() == Status::kWouldBlock)
      break;
    if (!record.ok()) {
      Break(number);
      break;
    }
    OnRecord(number, record.value());
    cpu.receive.Drop();
  }
  if (cpu.receive.TakeWake())
    doorbell_->Kick(number);
  return count;
}

bool LinkPort::PrepareSleep() {
  Cpu& cpu = cpus_[machine::CurrentCpu()];
  if (!started_ || cpu.broken)
    return true;
  cpu.receive.Announce();
  return cpu.receive.Empty();
}

void LinkPort::OnRecord(machine::CpuId number, const abi::ReceivedRecord& record) {
  const abi::RecordHeader& what = record.header;
  const LinkPeer from{what.peer_node, what.peer_incarnation};
  if (what.kind != abi::RecordKind::kCompletion)
    trace::Log(trace::kLinkReceive, static_cast<std::uint64_t>(what.kind), what.channel, from.node,
               record.Payload().size());
  switch (what.kind) {
    case abi::RecordKind::kCompletion:
      return OnCompletion(number, what.value);
    case abi::RecordKind::kMessage: {
      abi::Frame frame;
      if (what.channel >= abi::kChannelCount || receivers_[what.channel] == nullptr ||
          !abi::CheckFrame(record.Payload(), &frame).ok())
        return;
      return receivers_[what.channel]->OnMessage(from, frame,
                                                 record.Payload().subspan(sizeof frame));
    }
    case abi::RecordKind::kNotify:
      if (what.channel < abi::kChannelCount && receivers_[what.channel] != nullptr)
        receivers_[what.channel]->OnNotify(from, what.value);
      return;
    case abi::RecordKind::kPeerDown:
      for (LinkReceiver* receiver : receivers_) {
        if (receiver != nullptr)
          receiver->OnPeerDown(from, static_cast<Status>(what.value));
      }
      return;
    case abi::RecordKind::kPad:
      return;
  }
}

// Doubles happen: a new daemon posts what its predecessor may have posted.
void LinkPort::OnCompletion(machine::CpuId number, std::uint64_t id) {
  Cpu& cpu = cpus_[number];
  const std::uint32_t slot = abi::OperationSlot(id);
  if (slot / abi::kOperationsPerCpu != number)
    return Break(number);
  const std::uint32_t index = slot % abi::kOperationsPerCpu;
  auto& operation = *reinterpret_cast<abi::Operation*>(base_ + layout_.OperationAt(slot));
  LinkRequest* request = cpu.under_way[index];
  if (request == nullptr || operation.id.load(std::memory_order_relaxed) != id ||
      operation.ended.load(std::memory_order_acquire) != id)
    return;
  request->outcome = LoadOnce(operation.outcome);
  request->status = LoadOnce(operation.status);
  request->value = LoadOnce(operation.value);
  operation.id.store(0, std::memory_order_release);
  trace::Log(trace::kLinkDone, id, static_cast<std::uint32_t>(request->outcome));
  cpu.under_way[index] = nullptr;
  cpu.lanes.Give(index);
  while (LinkRequest* next = cpu.lanes.TakeNext()) Issue(number, LinkLanes::Of(*next), *next);
  request->done(*request);
}

void LinkPort::Break(machine::CpuId number) {
  cpus_[number].broken = true;
  machine::Log("link: CPU {}: the daemon's words in the rings make no sense; stopped", number);
}

// -- state --------------------------------------------------------------------------------------

void LinkPort::Beat(std::uint64_t now_ns) {
  header().heartbeat.store(now_ns, std::memory_order_relaxed);
}

bool LinkPort::Waiting(machine::CpuId cpu) const {
  return started_ && cpus_[cpu].receive.Waiting();
}

bool LinkPort::Up() const {
  return started_ && daemon().state.load(std::memory_order_acquire) == abi::DaemonState::kUp;
}

LinkPeer LinkPort::Self() const {
  if (!started_)
    return {};
  return {LoadOnce(daemon().node_id), LoadOnce(daemon().incarnation)};
}

std::uint32_t LinkPort::DaemonGeneration() const {
  return daemon().generation.load(std::memory_order_relaxed);
}

bool LinkPort::HasAuthority(std::uint64_t now_ns) const {
  return Up() && now_ns < daemon().authority_deadline.load(std::memory_order_acquire);
}

void LinkPort::InstallEpoch(std::uint64_t epoch) {
  header().installed_epoch.store(epoch, std::memory_order_release);
}

std::uint64_t LinkPort::epoch() const {
  return header().installed_epoch.load(std::memory_order_acquire);
}

}  // namespace k42::global
