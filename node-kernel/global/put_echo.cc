#include "global/put_echo.h"

#include <cstring>

#include "machine/clock.h"
#include "machine/timer.h"
#include "mem/heap.h"

namespace k42::global {
namespace {

constexpr std::uint64_t kAnswer = std::uint64_t{1} << 40;
constexpr unsigned kPadShift = 32, kLengthShift = 41;

constexpr std::uint64_t Word(std::uint32_t number, std::uint32_t pad, std::uint32_t length) {
  return number | std::uint64_t{pad} << kPadShift | std::uint64_t{length} << kLengthShift;
}

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
  if (bench.thread != nullptr || bench.request.under_way ||
      (bench.burst != nullptr && bench.burst->under_way()))
    return Status::kBusy;
  const std::uint64_t until = machine::MonotonicNs() + budget_ns;
  TRY(MakeWindow(bench.back, bench.window));
  if (bench.sent.size == 0)
    bench.sent = TRY(port_.memory().Allocate(abi::kPingPutMax, abi::ChunkUse::kStream));
  bench.thread = machine::Thread::Current();
  Status status = bench.peer == peer ? Status::kOk : Open(bench, peer, until);
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
    if (own.pad != nullptr && own.pad->closing && own.pad->window == 0)
      own.pad->revocation.echo->Forget(*own.pad);
    if (own.waiter != nullptr)
      own.waiter->Unblock();
  };
  request.under_way = true;
  port_.Submit(request);
}

// The request may stay the fabric's when this ends: then the next Ping is refused until it is back.
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
    if (refused || (bench.answered && !request.under_way)) {
      status = refused ? request.status : Status::kOk;
      break;
    }
    machine::Thread::BlockExternal();
  }
  request.waiter = nullptr;
  return status;
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

// Window 0 in the answer: no pad is left, or no memory.
void PutEcho::OnOpen(LinkPeer from, const Opened& asked, std::uint64_t sequence) {
  Cpu& cpu = cpus_[machine::CurrentCpu()];
  if (cpu.reply.under_way)
    return;  // unanswered, as the asker must expect
  Pad* pad = nullptr;
  for (Pad& candidate : cpu.pads) {
    if (candidate.asker.node != 0 && view_.HasLeft(candidate.asker))
      GiveUp(candidate);
    if (candidate.closing)
      continue;
    if (candidate.asker == from && candidate.target.cpu == asked.cpu)
      pad = &candidate;
    else if (pad == nullptr && candidate.asker.node == 0 && !candidate.request.under_way)
      pad = &candidate;
  }
  cpu.replied = {0, 0, machine::CurrentCpu()};
  if (pad != nullptr && MakeWindow(pad->range, pad->window) == Status::kOk) {
    pad->asker = from;
    pad->target = asked;
    cpu.replied.window = pad->window;
    cpu.replied.pad = static_cast<std::uint32_t>(pad - cpu.pads);
  }
  Request& reply = cpu.reply;
  reply.peer = from;
  reply.receiver_cpu = asked.cpu;
  reply.frame = {};
  reply.frame.kind = abi::FrameKind::kEchoReply;
  reply.frame.method = kOpenMethod;
  reply.frame.cpu = asked.cpu;
  reply.frame.sequence = sequence;
  reply.payload = BytesOf(cpu.replied);
  Submit(reply);
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

void PutEcho::PutBack(LinkPeer from, std::uint64_t word) {
  const auto index = static_cast<std::uint32_t>(word >> kPadShift & 0xff);
  const auto length = static_cast<std::uint32_t>(word >> kLengthShift);
  if (index >= kPads || length > abi::kPingPutMax)
    return;
  Pad& pad = cpus_[machine::CurrentCpu()].pads[index];
  if (pad.asker != from || pad.request.under_way)
    return;  // of an opening that was forgotten, or more at once than was agreed
  Request& request = pad.request;
  request.kind = abi::OperationKind::kPutNotify;
  request.peer = from;
  request.receiver_cpu = pad.target.cpu;
  request.local_offset = pad.range.offset;
  request.length = length;
  request.window = pad.target.window;
  request.remote_offset = 0;
  request.operand = word | kAnswer;
  request.flags = abi::kQuietEnd;
  request.pad = &pad;
  Submit(request);
}

// What the dead asker's daemon had checked before it stopped may still be written.
void PutEcho::GiveUp(Pad& pad) {
  pad.asker = {};
  pad.closing = true;
  port_.memory().CloseWindow(pad.window);
  Revocation& revocation = pad.revocation;
  revocation.echo = this;
  revocation.pad = &pad;
  revocation.kind = abi::OperationKind::kRevokeWindow;
  revocation.channel = abi::Channel::kEcho;
  revocation.flags = abi::kRepeatable;
  revocation.window = pad.window;
  revocation.done = OnRevoked;
  port_.Submit(revocation);
}

void PutEcho::OnRevoked(LinkRequest& request) {
  auto& revocation = static_cast<Revocation&>(request);
  Pad& pad = *revocation.pad;
  pad.revoked = revocation.outcome == abi::Outcome::kDone;
  if (pad.revoked)
    revocation.echo->port_.memory().WindowClosed(pad.window);
  pad.window = 0;
  if (!pad.request.under_way)
    revocation.echo->Forget(pad);
}

// The window is gone, and nothing of ours names the range: it is free, unless others may reach it.
void PutEcho::Forget(Pad& pad) {
  if (pad.revoked)
    port_.memory().Free(pad.range);
  pad.range = {};
  pad.closing = false;
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
