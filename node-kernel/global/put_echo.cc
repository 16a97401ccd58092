#include "global/put_echo.h"

#include <cstring>

#include "machine/clock.h"
#include "machine/timer.h"
#include "mem/heap.h"

namespace k42::global {
namespace {

void WakeThread(void* thread) {
  static_cast<machine::Thread*>(thread)->Unblock();
}

}  // namespace

Status PutEcho::MakeWindow(ArenaRange& range, abi::WindowId& window) {
  if (range.size == 0)
    range = TRY(port_.memory().Allocate(abi::kPingPutMax, abi::ChunkUse::kStream));
  if (window == 0)
    window = TRY(port_.memory().OpenWindow(range, abi::kAccessRead | abi::kAccessWrite));
  return Status::kOk;
}

template <typename Work>
Result<std::uint64_t> PutEcho::AtBench(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns,
                                       Work work) {
  if (size > abi::kPingPutMax)
    return Status::kInvalidArgument;
  Bench& bench = cpus_[machine::CurrentCpu()].bench;
  if (bench.thread != nullptr || (bench.request.under_way && !OnlyItsEndIsLate(bench)) ||
      (bench.burst != nullptr && bench.burst->under_way()))
    return Status::kBusy;
  const std::uint64_t until = machine::MonotonicNs() + budget_ns;
  TRY(MakeWindow(bench.back, bench.window));
  if (bench.sent.size == 0)
    bench.sent = TRY(port_.memory().Allocate(abi::kPingPutMax, abi::ChunkUse::kStream));
  bench.thread = machine::Thread::Current();
  Status status = AwaitEnd(bench, until);
  if (status == Status::kOk && bench.peer != peer)
    status = Open(bench, peer, until);
  if (status == Status::kOk)
    status = AwaitEnd(bench, until);  // here, where nobody takes the time
  std::uint64_t took = 0;
  if (status == Status::kOk)
    status = work(bench, size == 0 ? 1 : size, until, &took);
  bench.thread = nullptr;
  if (status == Status::kOk)
    return took;
  bench.peer = {};  // whatever it was, the next one asks for a window again
  return status;
}

Result<std::uint64_t> PutEcho::Ping(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns) {
  return AtBench(peer, size, budget_ns,
                 [this](Bench& bench, std::uint32_t bytes, std::uint64_t until,
                        std::uint64_t* took) -> Status {
                   std::memset(bench.sent.memory, static_cast<int>(bench.number & 0xff), bytes);
                   std::memset(bench.back.memory, ~static_cast<int>(bench.number & 0xff), bytes);
                   const std::uint64_t begin = machine::MonotonicNs();
                   TRY(Move(bench, abi::OperationKind::kPutNotify, bytes, until));
                   *took = machine::MonotonicNs() - begin;
                   bench.stored = bytes;
                   return std::memcmp(bench.back.memory, bench.sent.memory, bytes) == 0
                              ? Status::kOk
                              : Status::kCorrupt;
                 });
}

Result<std::uint64_t> PutEcho::Store(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns) {
  return AtBench(peer, size, budget_ns,
                 [this](Bench& bench, std::uint32_t bytes, std::uint64_t until,
                        std::uint64_t* took) -> Status {
                   std::memset(bench.sent.memory, static_cast<int>(bench.number & 0xff), bytes);
                   const std::uint64_t begin = machine::MonotonicNs();
                   TRY(Move(bench, abi::OperationKind::kPut, bytes, until));
                   *took = machine::MonotonicNs() - begin;
                   bench.stored = bytes;
                   return Status::kOk;
                 });
}

Result<std::uint64_t> PutEcho::Load(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns) {
  return AtBench(peer, size, budget_ns,
                 [this](Bench& bench, std::uint32_t bytes, std::uint64_t until,
                        std::uint64_t* took) -> Status {
                   const std::uint64_t begin = machine::MonotonicNs();
                   TRY(Move(bench, abi::OperationKind::kGet, bytes, until));
                   *took = machine::MonotonicNs() - begin;
                   const bool same = bench.stored != bytes ||
                                     std::memcmp(bench.back.memory, bench.sent.memory, bytes) == 0;
                   return same ? Status::kOk : Status::kCorrupt;
                 });
}

Result<std::uint64_t> PutEcho::Stream(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns) {
  return AtBench(peer, size, budget_ns,
                 [this](Bench& bench, std::uint32_t bytes, std::uint64_t until,
                        std::uint64_t* took) -> Status {
                   if (bench.burst == nullptr)
                     bench.burst = TRY(mem::New<Burst>());
                   std::memset(bench.sent.memory, static_cast<int>(bench.number & 0xff), bytes);
                   const std::uint64_t begin = machine::MonotonicNs();
                   TRY(Pour(bench, bytes, until));
                   *took = (machine::MonotonicNs() - begin) / abi::kPingStreamPuts;
                   bench.stored = bytes;
                   return Status::kOk;
                 });
}

bool PutEcho::Burst::under_way() const {
  for (const Request& request : requests) {
    if (request.under_way)
      return true;
  }
  return false;
}

// As many as there may be under way, until all have been; at an error, until none is.
Status PutEcho::Pour(Bench& bench, std::uint32_t size, std::uint64_t until_ns) {
  machine::Timer timer;
  timer.Arm(until_ns, WakeThread, bench.thread);
  std::uint32_t left = abi::kPingStreamPuts;
  Status status = Status::kOk;
  for (Request& request : bench.burst->requests) request.outcome = abi::Outcome::kDone;
  while (true) {
    for (Request& request : bench.burst->requests) {
      if (request.under_way)
        continue;
      if (request.outcome != abi::Outcome::kDone && status == Status::kOk)
        status = request.status == Status::kOk ? Status::kUnknown : request.status;
      if (status != Status::kOk || left == 0)
        continue;
      --left;
      request.kind = abi::OperationKind::kPut;
      request.peer = bench.peer;
      request.local_offset = bench.sent.offset;
      request.length = size;
      request.window = bench.target.window;
      request.remote_offset = 0;
      request.waiter = bench.thread;
      Submit(request);
    }
    const bool idle = !bench.burst->under_way();
    if (idle && (left == 0 || status != Status::kOk))
      break;
    if (machine::MonotonicNs() >= until_ns) {
      status = Status::kTimedOut;
      break;
    }
    if (!idle)
      machine::Thread::BlockExternal();
  }
  for (Request& request : bench.burst->requests) request.waiter = nullptr;
  return status;
}

void PutEcho::Submit(Request& request) {
  request.channel = abi::Channel::kEcho;
  request.done = [](LinkRequest& ended) {
    auto& own = static_cast<Request&>(ended);
    own.under_way = false;
    if (own.pad != nullptr)
      own.echo->PutBackEnded(*own.pad);
    if (own.waiter != nullptr)
      own.waiter->Unblock();
  };
  request.under_way = true;
  port_.Submit(request);
}

// The request may stay the fabric's when this ends. Whoever comes next waits for it if only its
// good end is late, and is refused else.
Status PutEcho::Ask(Bench& bench, std::uint64_t until_ns, bool answered) {
  Request& request = bench.request;
  bench.answered = answered;
  request.waiter = bench.thread;
  machine::Timer timer;
  timer.Arm(until_ns, WakeThread, bench.thread);
  Submit(request);
  Status status = Status::kTimedOut;
  while (machine::MonotonicNs() < until_ns) {
    const bool refused = !request.under_way && request.outcome != abi::Outcome::kDone;
    if (refused || (bench.answered && (!answered || !request.under_way))) {
      status = refused ? request.status : Status::kOk;
      break;
    }
    machine::Thread::BlockExternal();
  }
  request.waiter = nullptr;
  return status;
}

// Answered: all went well, and a quiet end wakes nobody.
bool PutEcho::OnlyItsEndIsLate(const Bench& bench) {
  return bench.answered && (bench.request.flags & abi::kQuietEnd) != 0;
}

Status PutEcho::AwaitEnd(Bench& bench, std::uint64_t until_ns) {
  Request& request = bench.request;
  if (!request.under_way)
    return Status::kOk;
  request.waiter = bench.thread;
  machine::Timer timer;
  timer.Arm(until_ns, WakeThread, bench.thread);
  while (request.under_way && machine::MonotonicNs() < until_ns) machine::Thread::BlockExternal();
  request.waiter = nullptr;
  return request.under_way ? Status::kTimedOut : Status::kOk;
}

Status PutEcho::Open(Bench& bench, LinkPeer peer, std::uint64_t until_ns) {
  bench.own = {bench.window, 0, machine::CurrentCpu()};
  bench.target = {};
  bench.stored = 0;
  Request& request = bench.request;
  request.kind = abi::OperationKind::kSend;
  request.flags = abi::kQuietEnd;
  request.peer = peer;
  request.receiver_cpu = machine::CurrentCpu();
  request.frame = {};
  request.frame.kind = abi::FrameKind::kEcho;
  request.frame.method = kOpenMethod;
  request.frame.cpu = machine::CurrentCpu();
  request.frame.sequence = ++bench.number;
  request.payload = BytesOf(bench.own);
  TRY(Ask(bench, until_ns));
  if (bench.target.window == 0)
    return Status::kBusy;
  bench.peer = peer;
  return Status::kOk;
}

Status PutEcho::Move(Bench& bench, abi::OperationKind kind, std::uint32_t size,
                     std::uint64_t until_ns) {
  Request& request = bench.request;
  const bool get = kind == abi::OperationKind::kGet;
  request.kind = kind;
  request.flags = kind == abi::OperationKind::kPutNotify ? abi::kQuietEnd : 0u;  // it is answered
  request.peer = bench.peer;
  request.receiver_cpu = bench.target.cpu;
  request.payload = {};
  request.local_offset = get ? bench.back.offset : bench.sent.offset;
  request.length = size;
  request.window = bench.target.window;
  request.remote_offset = 0;
  request.operand = Word(++bench.number, bench.target.pad, size);
  return Ask(bench, until_ns, kind != abi::OperationKind::kPutNotify);
}

// -- heard ----------------------------------------------------------------------------------------

void PutEcho::OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload) {
  const auto opened = ReadAt<Opened>(payload, 0);
  if (!opened.ok())
    return;
  if (frame.kind == abi::FrameKind::kEcho)
    return OnOpen(from, opened.value(), frame.sequence);
  Bench& bench = cpus_[machine::CurrentCpu()].bench;
  if (bench.thread == nullptr || frame.sequence != bench.number || from != bench.request.peer)
    return;
  bench.target = opened.value();
  bench.answered = true;
  bench.thread->Unblock();
}

void PutEcho::OnNotify(LinkPeer from, std::uint64_t word) {
  if ((word & kAnswer) == 0)
    return PutBack(from, word);
  Bench& bench = cpus_[machine::CurrentCpu()].bench;
  if (bench.thread == nullptr || static_cast<std::uint32_t>(word) != bench.number ||
      from != bench.request.peer)
    return;
  bench.answered = true;
  bench.thread->Unblock();
}

void PutEcho::OnPeerDown(LinkPeer peer, Status why) {
  if (!PeerIsGone(why))
    return;  // it may come back
  Cpu& cpu = cpus_[machine::CurrentCpu()];
  for (Pad& pad : cpu.pads) {
    if (pad.asker == peer)
      GiveUp(pad);
  }
  if (cpu.bench.peer == peer)
    cpu.bench.peer = {};
}

}  // namespace k42::global
