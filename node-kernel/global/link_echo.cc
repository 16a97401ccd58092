#include "global/link_echo.h"

#include <cstring>

#include "machine/clock.h"
#include "machine/timer.h"
#include "mem/heap.h"

namespace k42::global {
namespace {

// The request of a Ping outlives it if the fabric still holds it when the wait ends.
struct PingRequest : LinkRequest {
  machine::Thread* thread = nullptr;
  bool ended = false;
  bool abandoned = false;
};

void PingEnded(LinkRequest& request) {
  auto& ping = static_cast<PingRequest&>(request);
  ping.ended = true;
  if (ping.abandoned)
    mem::Delete(&ping);
  else
    ping.thread->Unblock();
}

void WakeUp(void* thread) {
  static_cast<machine::Thread*>(thread)->Unblock();
}

}  // namespace

Result<std::uint64_t> LinkEcho::Ping(LinkPeer peer, Bytes payload, std::uint64_t budget_ns) {
  const machine::CpuId number = machine::CurrentCpu();
  Cpu& cpu = cpus_[number];
  Wait* wait = nullptr;
  for (Wait& candidate : cpu.waits) {
    if (candidate.sequence == 0)
      wait = &candidate;
  }
  if (wait == nullptr)
    return Status::kBusy;
  PingRequest* ping = TRY(mem::New<PingRequest>());
  machine::Thread* self = machine::Thread::Current();
  *wait = {.sequence = ++cpu.sequence, .payload = payload, .thread = self};
  ping->thread = self;
  ping->channel = abi::Channel::kEcho;
  ping->flags = abi::kQuietEnd;
  ping->peer = peer;
  ping->receiver_cpu = number;
  ping->budget_ns = budget_ns;
  ping->frame.kind = abi::FrameKind::kEcho;
  ping->frame.cpu = number;
  ping->frame.sequence = wait->sequence;
  ping->payload = payload;
  ping->done = PingEnded;

  const std::uint64_t sent = machine::MonotonicNs();
  machine::Timer timer;
  timer.Arm(sent + budget_ns, WakeUp, self);
  port_.Submit(*ping);
  Status status = Status::kTimedOut;
  while (machine::MonotonicNs() < sent + budget_ns) {
    const bool refused = ping->ended && ping->outcome != abi::Outcome::kDone;
    if (wait->answered || refused) {
      status = refused ? ping->status : wait->intact ? Status::kOk : Status::kCorrupt;
      break;
    }
    machine::Thread::BlockExternal();
  }
  wait->sequence = 0;
  if (ping->ended) {
    mem::Delete(ping);
  } else {
    ping->abandoned = true;
    ping->payload = {};  // if it was not issued yet, it will not read what is not ours any more
  }
  if (status != Status::kOk)
    return status;
  return machine::MonotonicNs() - sent;
}

void LinkEcho::OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload) {
  if (frame.method == PutEcho::kOpenMethod)
    return puts_.OnMessage(from, frame, payload);
  if (frame.kind == abi::FrameKind::kEcho)
    return SendAnswer(from, frame, payload);
  if (frame.kind != abi::FrameKind::kEchoReply)
    return;
  for (Wait& wait : cpus_[machine::CurrentCpu()].waits) {
    if (wait.sequence == 0 || wait.sequence != frame.sequence)
      continue;
    wait.intact = payload.size() == wait.payload.size() &&
                  std::memcmp(payload.data(), wait.payload.data(), payload.size()) == 0;
    wait.answered = true;
    wait.thread->Unblock();
  }
}

void LinkEcho::SendAnswer(LinkPeer to, const abi::Frame& frame, Bytes payload) {
  for (Answer*& answer : cpus_[machine::CurrentCpu()].answers) {
    if (answer == nullptr) {
      const auto made = mem::New<Answer>();
      if (!made.ok())
        return;
      answer = made.value();
    }
    if (answer->busy)
      continue;
    answer->busy = true;
    std::memcpy(answer->copy, payload.data(), payload.size());
    LinkRequest& request = *answer;
    request.channel = abi::Channel::kEcho;
    request.flags = abi::kQuietEnd;
    request.peer = to;
    request.receiver_cpu = frame.cpu;
    request.budget_ns = frame.budget_ns;
    request.frame.kind = abi::FrameKind::kEchoReply;
    request.frame.cpu = frame.cpu;
    request.frame.sequence = frame.sequence;
    request.payload = {answer->copy, payload.size()};
    request.done = [](LinkRequest& ended) { static_cast<Answer&>(ended).busy = false; };
    return port_.Submit(request);
  }
}

}  // namespace k42::global
