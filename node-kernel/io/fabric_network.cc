#include "io/fabric_network.h"

#include <algorithm>
#include <cstring>

#include "io/stream_endpoint.h"
#include "io/stream_object.h"
#include "machine/clock.h"
#include "machine/log.h"
#include "mem/heap.h"

namespace k42::io {
namespace {

// Deadlines are seconds or tens of milliseconds: looked at no oftener than this.
constexpr std::uint64_t kTickNs = 5'000'000;

Result<cobj::Root*> MakeStream(Allocator& allocator) {
  return TRY(allocator.Make<cobj::SharedRoot<StreamObject<FabricStream>>>());
}

std::uint32_t AddressOf(std::uint32_t node) {
  return SocketServices::kNodePrefix << 16 | node;
}

}  // namespace

FabricNetwork::FabricNetwork(global::Link& link, const global::ClusterView& view,
                             SocketServices& services)
    : link_(link), view_(view), services_(services), factory_(FabricStream::kVersion, MakeStream) {}

Status FabricNetwork::Start() {
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    pumps_[cpu].network = this;
    pumps_[cpu].thread = TRY(machine::Thread::Create("streams", RunPumpThread, &pumps_[cpu], cpu));
  }
  return Status::kOk;
}

// -- the table ------------------------------------------------------------------------------------

// Large while there is plenty; a node with many streams gives each less. (Rings do not grow, first
// version.)
std::uint32_t FabricNetwork::RingSize() {
  const std::uint64_t free = link_.memory().free_chunks() * abi::kChunkSize;
  for (std::uint32_t size = kLargestRing; size > kMinimumStreamRing; size /= 4) {
    if (free >= std::uint64_t{size} * 32)
      return size;
  }
  return kMinimumStreamRing;
}

Result<FabricConnection*> FabricNetwork::MakeConnection(global::LinkPeer peer) {
  StreamId id = 0;
  {
    const machine::SpinGuard guard(table_lock_);
    for (std::uint32_t index = 1; index < kMaxStreams; ++index) {
      Slot& slot = table_[index];
      if (slot.taken)
        continue;
      slot.taken = true;
      id = MakeStreamId(index, ++slot.generation);
      break;
    }
  }
  if (id == 0)
    return Status::kLimitExceeded;
  const auto made = FabricConnection::Make(*this, peer, id, RingSize());
  const machine::SpinGuard guard(table_lock_);
  Slot& slot = table_[StreamIndex(id)];
  if (!made.ok()) {
    slot.taken = false;
    return made.status();
  }
  made.value()->AddReference();
  slot.connection = made.value();
  return made.value();
}

void FabricNetwork::Remove(FabricConnection& connection) {
  {
    const machine::SpinGuard guard(table_lock_);
    Slot& slot = table_[StreamIndex(connection.id())];
    slot.connection = nullptr;
    slot.taken = false;
  }
  connection.DropReference();
}

FabricConnection* FabricNetwork::Find(global::LinkPeer peer, StreamId id) {
  const machine::SpinGuard guard(table_lock_);
  if (StreamIndex(id) >= kMaxStreams)
    return nullptr;
  FabricConnection* found = table_[StreamIndex(id)].connection;
  if (found == nullptr || found->id() != id || found->peer() != peer)
    return nullptr;
  found->AddReference();
  return found;
}

FabricConnection* FabricNetwork::NextConnection(std::uint32_t* index) {
  const machine::SpinGuard guard(table_lock_);
  for (; *index < kMaxStreams; ++*index) {
    FabricConnection* found = table_[*index].connection;
    if (found != nullptr) {
      found->AddReference();
      return found;
    }
  }
  return nullptr;
}

template <typename F>
void FabricNetwork::ForEach(F&& f) {
  std::uint32_t index = 0;
  while (FabricConnection* connection = NextConnection(&index)) {
    f(*connection);
    connection->DropReference();
    ++index;
  }
}

FabricConnection* FabricNetwork::FindAccepted(global::LinkPeer peer, const StreamMessage& open) {
  std::uint32_t index = 0;
  while (FabricConnection* connection = NextConnection(&index)) {
    if (connection->peer() == peer && connection->AcceptedFor(open))
      return connection;
    connection->DropReference();
    ++index;
  }
  return nullptr;
}

// -- connecting -----------------------------------------------------------------------------------

Result<RemoteConnection*> FabricNetwork::Connect(const SocketAddress& from, const SocketAddress& to,
                                                 ReadyList& list) {
  const global::LinkPeer peer = view_.Member(to.internet & 0xffff);
  if (peer.incarnation == 0 || link_.Self().incarnation == 0)
    return Status::kUnreachable;
  FabricConnection* const connection = TRY(MakeConnection(peer));
  connection->Watch(&list);
  const Status status = connection->Connect(from.port, to.port);
  if (status == Status::kInProgress)
    return static_cast<RemoteConnection*>(connection);
  connection->Watch(nullptr);
  connection->Abandon();
  connection->DropReference();
  return status;
}

Status FabricNetwork::Admit(global::LinkPeer from, const StreamMessage& open) {
  SocketAddress here{};
  here.family = SocketFamily::kInternet;
  here.internet = services_.internet();
  here.port = open.to_port;
  SocketAddress there = here;
  there.internet = AddressOf(from.node);
  there.port = open.from_port;
  const auto listener = RefPtr<Endpoint>::Adopt(
      TRY(services_.Find(cobj::CallContext::Kernel(), SocketType::kStream, {}, here)));
  if (!listener->listening())
    return Status::kConnectionRefused;
  const auto connection = RefPtr<FabricConnection>::Adopt(TRY(MakeConnection(from)));
  Status status = connection->Accept(open);
  if (status == Status::kOk) {
    connection->AddReference();  // the endpoint's
    status = static_cast<StreamEndpoint&>(*listener).OfferRemote(connection.get(), here, there);
    if (status != Status::kOk)
      connection->DropReference();
  }
  if (status == Status::kOk)
    connection->Pump();  // tells the client
  else
    connection->Abandon();
  return status;
}

void FabricNetwork::OnOpen(global::LinkPeer from, const StreamMessage& open) {
  if (FabricConnection* known = FindAccepted(from, open); known != nullptr) {
    known->OnMessage(open);
    return known->DropReference();
  }
  const Status status = Admit(from, open);
  if (status == Status::kOk)
    return;
  StreamMessage refusal;
  refusal.kind = StreamMessageKind::kRefused;
  refusal.to = open.from;
  refusal.to_port = open.from_port;
  refusal.from_port = open.to_port;
  // Out of memory or numbers is, for the caller, a queue that is full now.
  const bool full =
      status == Status::kBusy || status == Status::kNoMemory || status == Status::kLimitExceeded;
  refusal.status = full ? Status::kBusy : Status::kConnectionRefused;
  SendAlone(from, refusal);
}

// -- from the link --------------------------------------------------------------------------------

void FabricNetwork::OnMessage(global::LinkPeer from, const abi::Frame& frame, Bytes payload) {
  StreamMessage message;
  if (frame.kind != abi::FrameKind::kOneWay || !view_.Contains(from) ||
      ParseStreamMessage(payload, &message) != Status::kOk)
    return;
  if (message.kind == StreamMessageKind::kOpen)
    return OnOpen(from, message);
  if (FabricConnection* connection = Find(from, message.to); connection != nullptr) {
    connection->OnMessage(message);
    return connection->DropReference();
  }
  if (message.kind == StreamMessageKind::kReset || message.kind == StreamMessageKind::kRefused ||
      message.from == 0)
    return;
  StreamMessage reset;
  reset.kind = StreamMessageKind::kReset;
  reset.to = message.from;
  SendAlone(from, reset);
}

void FabricNetwork::OnNotify(global::LinkPeer from, std::uint64_t word) {
  if (FabricConnection* connection = Find(from, DataWordStream(word)); connection != nullptr) {
    connection->OnData(word);
    connection->DropReference();
  }
}

void FabricNetwork::OnPeerDown(global::LinkPeer peer, Status why) {
  if (machine::CurrentCpu() != 0)
    return;  // it is told on every CPU
  ForEach([&](FabricConnection& connection) {
    if (connection.peer() != peer)
      return;
    global::PeerIsGone(why) ? connection.OnPeerGone() : connection.OnBreak();
  });
}

void FabricNetwork::OnDaemonChanged() {
  ForEach([](FabricConnection& connection) { connection.OnBreak(); });
}

void FabricNetwork::SendAlone(global::LinkPeer to, const StreamMessage& message) {
  struct Letter : global::LinkRequest {
    StreamMessage message;
  };
  const auto made = mem::New<Letter>();
  if (!made.ok())
    return;  // the peer will ask again
  Letter& letter = *made.value();
  letter.message = message;
  letter.channel = abi::Channel::kStream;
  letter.flags = abi::kRepeatable | abi::kQuietEnd;
  letter.peer = to;
  letter.receiver_cpu = StreamIndex(message.to);
  letter.frame.kind = abi::FrameKind::kOneWay;
  letter.payload = {reinterpret_cast<const std::byte*>(&letter.message), sizeof letter.message};
  letter.done = [](global::LinkRequest& ended) { mem::Delete(static_cast<Letter*>(&ended)); };
  link_.Submit(letter);
}

// -- pumps and deadlines --------------------------------------------------------------------------

void FabricNetwork::PumpOn(machine::CpuId cpu, FabricConnection& connection) {
  PumpCpu& pump = pumps_[cpu];
  connection.AddReference();
  {
    const machine::SpinGuard guard(pump.lock);
    pump.queue.PushBack(&connection);
  }
  pump.thread->Unblock();
}

void FabricNetwork::DeadlineSet() {
  deadline_set_.store(true, std::memory_order_release);
  pumps_[0].thread->Unblock();
}

void FabricNetwork::RunDeadlines(machine::Timer& tick) {
  const std::uint64_t now = machine::MonotonicNs();
  std::uint64_t next = ~std::uint64_t{0};
  ForEach([&](FabricConnection& connection) {
    if (connection.deadline() <= now)
      connection.OnTimer(now);
    next = std::min(next, connection.deadline());
  });
  if (next == ~std::uint64_t{0})
    return;
  tick.Arm(
      std::max(next, now + kTickNs),
      [](void* network) { static_cast<FabricNetwork*>(network)->DeadlineSet(); }, this);
}

void FabricNetwork::RunPumpThread(void* argument) {
  auto& pump = *static_cast<PumpCpu*>(argument);
  FabricNetwork& network = *pump.network;
  machine::Timer tick;
  for (;;) {
    FabricConnection* connection = nullptr;
    {
      const machine::SpinGuard guard(pump.lock);
      connection = pump.queue.PopFront();
    }
    if (connection != nullptr) {
      connection->RunPump();
      connection->DropReference();
      machine::Thread::PreemptionPoint();
    } else if (machine::CurrentCpu() == 0 && network.deadline_set_.exchange(false)) {
      network.RunDeadlines(tick);
    } else {
      machine::Thread::BlockExternal();
    }
  }
}

}  // namespace k42::io
