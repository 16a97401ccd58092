#include "io/fabric_connection.h"

#include <algorithm>
#include <bit>

#include "io/fabric_network.h"
#include "machine/clock.h"
#include "mem/heap.h"

namespace k42::io {

Result<FabricConnection*> FabricConnection::Make(FabricNetwork& network, global::LinkPeer peer,
                                                 StreamId id, std::uint32_t ring_size) {
  FabricConnection* const made = TRY(mem::New<FabricConnection>(network, peer, id));
  global::LinkMemory& memory = network.link().memory();
  const auto send = memory.Allocate(ring_size, abi::ChunkUse::kStream);
  const auto receive = send.ok() ? memory.Allocate(ring_size, abi::ChunkUse::kStream) : send;
  const Result<abi::WindowId> window =
      receive.ok() ? memory.OpenWindow(receive.value(), abi::kAccessWrite, peer)
                   : Result<abi::WindowId>(receive.status());
  const auto stream =
      window.ok() ? network.factory().Create() : Result<cobj::Ref<IFabricStream>>(window.status());
  if (!stream.ok()) {
    if (window.ok()) {  // nobody has heard of it: no transfer can be under way
      memory.CloseWindow(window.value());
      memory.WindowClosed(window.value());
    }
    if (receive.ok())
      memory.Free(receive.value());
    if (send.ok())
      memory.Free(send.value());
    mem::Delete(made);
    return stream.status();
  }
  made->stream_ = stream.value();
  made->send_range_ = send.value();
  made->receive_range_ = receive.value();
  made->send_ = FabricRing({send.value().memory, ring_size});
  made->receive_ = FabricRing({receive.value().memory, ring_size});
  made->window_ = window.value();
  (void)made->stream_->Start({id, ring_size, ring_size, window.value()});
  return made;
}

void FabricConnection::Dispose() {
  mem::Delete(this);
}

// -- steps ----------------------------------------------------------------------------------------

Status FabricConnection::Connect(std::uint16_t local_port, std::uint16_t peer_port) {
  const std::uint64_t now = machine::MonotonicNs();
  const Status status = stream_->Connect(local_port, peer_port, now);
  TellNow();
  Pump();
  return status;
}

Status FabricConnection::Accept(const StreamMessage& open) {
  accepted_window_ = open.window;
  accepted_from_ = open.from;
  return stream_->Accept(open, open.to_port);
}

void FabricConnection::OnMessage(const StreamMessage& message) {
  const std::uint64_t now = machine::MonotonicNs();
  (void)stream_->OnMessage(message, now);
  Pump();
}
void FabricConnection::OnData(std::uint64_t word) {
  (void)stream_->OnData(word);
  Pump();
}
void FabricConnection::OnBreak() {
  (void)stream_->OnBreak();
  Pump();
}
void FabricConnection::OnPeerGone() {
  (void)stream_->OnPeerGone();
  Pump();
}
void FabricConnection::OnTimer(std::uint64_t now_ns) {
  // Only the deadline that has passed: one that a pump on another CPU has just set stays.
  std::uint64_t seen = deadline();
  if (seen > now_ns ||
      !deadline_.compare_exchange_strong(seen, ~std::uint64_t{0}, std::memory_order_relaxed)) {
    return;
  }
  (void)stream_->OnTimer(now_ns);
  Pump();
}

// -- pumping --------------------------------------------------------------------------------------

void FabricConnection::Pump() {
  if (turn_.Take())
    RunPump();
}

void FabricConnection::RunPump() {
  do {
    const machine::CpuId here = machine::CurrentCpu();
    if (under_way_.load(std::memory_order_acquire) != 0 && cpu_ != here) {
      network_.PumpOn(cpu_, *this);  // the turn goes along
      return;
    }
    cpu_ = here;
    turn_.Begin();
    StreamBatch batch;
    do {
      const std::uint32_t room = kOperations - under_way_.load(std::memory_order_acquire);
      if (gone_ || stream_->Next(room, batch) != Status::kOk)
        break;
      for (std::uint32_t i = 0; i < batch.count; ++i) Carry(batch.actions[i]);
      Tell(batch.look);
    } while (batch.count == StreamBatch::kMost);
    if (release_due_ && !gone_ && under_way_.load(std::memory_order_acquire) == 0)
      Release();
  } while (!turn_.Leave());
}

void FabricConnection::Carry(const StreamAction& action) {
  switch (action.kind) {
    case StreamAction::Kind::kSetTimer:
      deadline_.store(action.deadline_ns, std::memory_order_relaxed);
      return network_.DeadlineSet();
    case StreamAction::Kind::kReleased:
      release_due_ = true;
      return;
    case StreamAction::Kind::kSend:
    case StreamAction::Kind::kPut:
      break;
  }
  const auto index = static_cast<std::uint32_t>(std::countr_zero(free_operations_.load()));
  free_operations_.fetch_and(~(1u << index));
  Operation& operation = operations_[index];
  operation.done = OnDone;
  if (action.kind == StreamAction::Kind::kSend) {
    operation.kind = abi::OperationKind::kSend;
    operation.frame = {};
    operation.frame.kind = abi::FrameKind::kOneWay;
    operation.message = action.message;
    operation.payload = {reinterpret_cast<const std::byte*>(&operation.message),
                         sizeof operation.message};
    operation.receiver_cpu =
        StreamIndex(action.message.to != 0 ? action.message.to : action.message.from);
  } else {
    operation.kind = abi::OperationKind::kPutNotify;
    operation.payload = {};
    operation.local_offset = send_range_.offset + action.local_offset;
    operation.remote_offset = action.remote_offset;
    operation.length = action.length;
    operation.window = action.window;
    operation.operand = action.word;
    operation.put_end = action.put_end;
    operation.receiver_cpu = StreamIndex(DataWordStream(action.word));
  }
  Submit(operation, action.awaited);
}

void FabricConnection::Submit(Operation& operation, bool awaited) {
  operation.owner = this;
  operation.channel = abi::Channel::kStream;
  operation.peer = peer_;
  operation.budget_ns = 0;
  AddReference();
  // Quiet while half of the operations are free: whoever comes to wait for one has submitted one
  // since whose end wakes, and the ends of all before are seen with it.
  const bool many = under_way_.fetch_add(1, std::memory_order_acq_rel) + 1 >= kOperations / 2;
  operation.flags = abi::kRepeatable | (awaited || many ? 0u : abi::kQuietEnd);
  network_.link().Submit(operation);
}

void FabricConnection::OnDone(global::LinkRequest& request) {
  auto& operation = static_cast<Operation&>(request);
  FabricConnection& self = *operation.owner;
  Status status = Status::kOk;
  if (operation.outcome != abi::Outcome::kDone)
    status = operation.status == Status::kOk ? Status::kUnknown : operation.status;
  const std::uint64_t now = machine::MonotonicNs();
  if (operation.kind == abi::OperationKind::kPutNotify)
    (void)self.stream_->OnPutDone(operation.put_end, static_cast<std::int64_t>(status), now);
  else
    (void)self.stream_->OnSendDone(static_cast<std::int64_t>(status), now);
  const auto index = static_cast<std::uint32_t>(&operation - self.operations_);
  self.free_operations_.fetch_or(1u << index, std::memory_order_release);
  self.under_way_.fetch_sub(1, std::memory_order_acq_rel);
  self.Pump();
  self.DropReference();
}

// -- readiness ------------------------------------------------------------------------------------

namespace {
constexpr std::uint32_t kTold =
    abi::kReadable | abi::kWritable | abi::kReadHangup | abi::kError | kInputEnded | kOutputEnded;

std::uint32_t BitsOf(const StreamReadiness& ready) {
  std::uint32_t bits = 0;
  bits |= ready.readable ? abi::kReadable : 0;
  bits |= ready.writable ? abi::kWritable : 0;
  bits |= ready.read_hangup ? abi::kReadHangup | kInputEnded : 0;
  bits |= ready.hangup ? kInputEnded | kOutputEnded : 0;
  bits |= ready.error ? abi::kError : 0;
  return bits;
}
}  // namespace

void FabricConnection::Tell(const StreamLook& look) {
  Wakeups wakeups;
  machine::MutexGuard guard(list_lock_);
  if (look.change >= told_.change)
    told_ = look;
  if (list_ != nullptr)
    list_->Update(kTold, BitsOf(told_.ready), look.activity & ~abi::kHangup, wakeups);
}

void FabricConnection::TellNow() {
  StreamLook look;
  if (stream_->Look(look) == Status::kOk)
    Tell(look);
}

void FabricConnection::Watch(ReadyList* list) {
  Wakeups wakeups;
  machine::MutexGuard guard(list_lock_);
  list_ = list;
  if (list_ != nullptr)
    list_->Update(kTold, BitsOf(told_.ready), 0, wakeups);
}

// -- bytes ----------------------------------------------------------------------------------------

Result<std::uint64_t> FabricConnection::Write(BufferIn data) {
  const machine::MutexGuard guard(writer_lock_);
  std::uint64_t done = 0;
  do {
    StreamSpan room;
    Status status = stream_->WriteRoom(room);
    if (data.empty() && status == Status::kWouldBlock)
      return std::uint64_t{0};
    std::span<std::byte> place;
    if (status == Status::kOk) {
      place = send_.Contiguous(room.position, std::min(room.length, data.size() - done));
      status = data.CopyTo(place.data(), done, place.size());
    }
    if (status != Status::kOk)
      return done != 0 ? Result<std::uint64_t>(done) : status;
    TRY(stream_->Written(place.size()));
    done += place.size();
    TellNow();
    Pump();
  } while (done < data.size());
  return done;
}

Result<std::uint64_t> FabricConnection::Read(BufferOut data, bool peek) {
  const machine::MutexGuard guard(reader_lock_);
  StreamSpan bytes;
  const Status status = stream_->Readable(bytes);
  if (status != Status::kOk) {
    TellNow();  // an error was taken: poll shows it no longer
    return status;
  }
  const std::uint64_t count = std::min<std::uint64_t>(bytes.length, data.size());
  std::uint64_t done = 0;
  while (done < count) {
    const auto part = receive_.Contiguous(bytes.position + done, count - done);
    const Status copied = data.CopyFrom(part.data(), done, part.size());
    if (copied != Status::kOk && done == 0)
      return copied;
    if (copied != Status::kOk)
      break;
    done += part.size();
  }
  if (!peek && done != 0) {
    TRY(stream_->Consumed(done));
    TellNow();
    Pump();
  }
  return done;
}

// -- the rest -------------------------------------------------------------------------------------

Status FabricConnection::Shutdown(ShutdownSide side) {
  const Status status =
      stream_->Shutdown(side != ShutdownSide::kWrite, side != ShutdownSide::kRead);
  TellNow();
  Pump();
  return status;
}

Status FabricConnection::TakeError() {
  std::int64_t error = 0;
  TRY(stream_->TakeError(error));
  TellNow();
  return static_cast<Status>(error);
}

Status FabricConnection::ConnectState() {
  const Status status = stream_->Connect(0, 0, 0);
  TellNow();
  return status;
}

bool FabricConnection::connected() {
  StreamDescription description;
  return Describe(&description) == Status::kOk && description.state == StreamState::kOpen;
}
std::uint64_t FabricConnection::readable_bytes() {
  StreamDescription description;
  return Describe(&description) == Status::kOk ? description.unread : 0;
}
std::uint64_t FabricConnection::unsent_bytes() {
  StreamDescription description;
  return Describe(&description) == Status::kOk ? description.unsent : 0;
}

void FabricConnection::Close(bool reset) {
  const std::uint64_t now = machine::MonotonicNs();
  (void)stream_->Close(now, reset);
  Pump();
}

void FabricConnection::Abandon() {
  (void)stream_->OnPeerGone();
  Close(true);
}

// -- the end --------------------------------------------------------------------------------------

void FabricConnection::Release() {
  gone_ = true;
  global::LinkMemory& memory = network_.link().memory();
  (void)cobj::Destroy(stream_);
  memory.Free(send_range_);
  memory.CloseWindow(window_);
  revocation_.owner = this;
  revocation_.kind = abi::OperationKind::kRevokeWindow;
  revocation_.window = window_;
  revocation_.flags = abi::kRepeatable;
  revocation_.done = OnRevoked;
  AddReference();
  network_.Remove(*this);
  network_.link().Submit(revocation_);
}

void FabricConnection::OnRevoked(global::LinkRequest& request) {
  auto& operation = static_cast<Operation&>(request);
  FabricConnection& self = *operation.owner;
  if (operation.outcome == abi::Outcome::kDone) {
    global::LinkMemory& memory = self.network_.link().memory();
    memory.WindowClosed(self.window_);
    memory.Free(self.receive_range_);
  }  // else a thrown-out neighbour may still write there: it stays taken
  self.DropReference();
}

}  // namespace k42::io
