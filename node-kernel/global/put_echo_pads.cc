// The answerer's half: pads, what is put into them and put back.
#include <utility>

#include "global/put_echo.h"

namespace k42::global {

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

void PutEcho::PutBack(LinkPeer from, std::uint64_t word) {
  const auto index = static_cast<std::uint32_t>(word >> kPadShift & 0xff);
  const auto length = static_cast<std::uint32_t>(word >> kLengthShift);
  if (index >= kPads || length > abi::kPingPutMax)
    return;
  Pad& pad = cpus_[machine::CurrentCpu()].pads[index];
  if (pad.asker != from)
    return;  // of an opening that was forgotten
  Request& request = pad.request;
  if (request.under_way) {
    pad.due = word;  // the asker has the last answer already, we have not seen its end
    return;
  }
  request.kind = abi::OperationKind::kPutNotify;
  request.peer = from;
  request.receiver_cpu = pad.target.cpu;
  request.local_offset = pad.range.offset;
  request.length = length;
  request.window = pad.target.window;
  request.remote_offset = 0;
  request.operand = word | kAnswer;
  request.flags = abi::kQuietEnd;
  request.echo = this;
  request.pad = &pad;
  Submit(request);
}

void PutEcho::PutBackEnded(Pad& pad) {
  const std::uint64_t word = std::exchange(pad.due, 0);
  if (pad.closing && pad.window == 0)
    Forget(pad);
  else if (word != 0)
    PutBack(pad.asker, word);
}

// What the dead asker's daemon had checked before it stopped may still be written.
void PutEcho::GiveUp(Pad& pad) {
  pad.asker = {};
  pad.due = 0;
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

}  // namespace k42::global
