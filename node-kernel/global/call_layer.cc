#include "global/call_layer.h"

#include <cstring>

#include "trace/trace.h"

namespace k42::global {

CallLayer::~CallLayer() {
  for (Caller& caller : callers_)
    if (caller.replies != nullptr)
      allocator_.Destroy(caller.replies);
}

// -- the caller's side ----------------------------------------------------------------------------

void CallLayer::Start(Call& call, std::uint64_t now_ns) {
  call.sequence = ++last_sequence_;
  call.end = CallEnd::kNone;
  call.sent = false;
  calls_.PushBack(&call);
  if (endpoint_.HasLeft(call.home))
    return End(call, CallEnd::kNotSent, Status::kNodeDead);
  Send(call, now_ns);
}

void CallLayer::Forget(Call& call) {
  if (call.end == CallEnd::kNone)
    call.Unlink();
}

void CallLayer::Send(Call& call, std::uint64_t now_ns) {
  abi::Frame frame{};
  frame.kind = abi::FrameKind::kCall;
  frame.method = call.method;
  frame.sequence = call.sequence;
  frame.cpu = cpu_;
  frame.budget_ns = call.deadline_ns > now_ns ? call.deadline_ns - now_ns : 0;
  frame.class_digest = call.class_digest;
  frame.object[0] = call.object.word[0];
  frame.object[1] = call.object.word[1];
  call.next_send_ns = now_ns + kResendNs;
  trace::Log(trace::kCallSend, call.sequence, call.home.node, call.method);
  if (endpoint_.Send(call.home, cpu_, frame, call.request) == Status::kOk)
    call.sent = true;
}

void CallLayer::End(Call& call, CallEnd end, Status status) {
  call.Unlink();
  call.end = end;
  call.status = status;
  trace::Log(trace::kCallEnd, call.sequence, call.home.node, -static_cast<std::int64_t>(status));
  call.done(call);  // the call may be gone after this
}

void CallLayer::OnReply(LinkPeer from, const abi::Frame& frame, Bytes payload) {
  for (Call& call : calls_) {
    if (call.sequence != frame.sequence || call.home != from)
      continue;
    if (frame.status != Status::kOk) {
      // The callee's call layer refused: only kUnknown means that it may have been executed. It is
      // a word of another node's: one that is no error, or asks to wait, is not handed on.
      const bool is_error = frame.status < Status::kOk && frame.status != Status::kPending &&
                            frame.status != Status::kWouldBlock;
      const Status refusal = is_error ? frame.status : Status::kCorrupt;
      End(call, is_error && refusal != Status::kUnknown ? CallEnd::kNotSent : CallEnd::kUnknown,
          refusal);
    } else if (payload.size() > call.reply.size()) {
      End(call, CallEnd::kUnknown, Status::kCorrupt);
    } else {
      std::memcpy(call.reply.data(), payload.data(), payload.size());
      call.reply_size = payload.size();
      End(call, CallEnd::kDone, Status::kOk);
    }
    return;
  }
  // Nobody waits any more: a repetition, or the deadline came first.
}

// -- the callee's side ----------------------------------------------------------------------------

CallLayer::Caller* CallLayer::FindCaller(LinkPeer peer, std::uint32_t cpu) {
  for (Caller& caller : callers_)
    if (caller.replies != nullptr && caller.peer == peer && caller.cpu == cpu)
      return &caller;
  return nullptr;
}

void CallLayer::Drop(Caller& caller) {
  allocator_.Destroy(caller.replies);
  caller = {};
}

CallLayer::Caller* CallLayer::AddCaller(LinkPeer peer, std::uint32_t cpu) {
  // The word of a peer's end passes a kernel whose daemon is away then; its view does not.
  for (Caller& caller : callers_)
    if (caller.replies != nullptr && endpoint_.HasLeft(caller.peer))
      Drop(caller);
  for (Caller& caller : callers_) {
    if (caller.replies != nullptr)
      continue;
    const Result<ReplyTable*> made = allocator_.Make<ReplyTable>(allocator_);
    if (!made.ok())
      return nullptr;
    caller = {peer, cpu, made.value()};
    return &caller;
  }
  return nullptr;
}

void CallLayer::SendReply(LinkPeer to, std::uint32_t cpu, std::uint64_t sequence, Status refusal,
                          Bytes reply) {
  abi::Frame frame{};
  frame.kind = abi::FrameKind::kReply;
  frame.sequence = sequence;
  frame.cpu = cpu;
  frame.status = refusal;
  // If it cannot be sent, or is lost, the caller asks again.
  (void)endpoint_.Send(to, cpu, frame, reply);
}

void CallLayer::OnRequest(LinkPeer from, const abi::Frame& frame, Bytes payload,
                          std::uint64_t now_ns) {
  trace::Log(trace::kCallReceive, frame.sequence, from.node, frame.cpu, frame.method);
  // One node has so many CPUs at most; it must not take the places of all others.
  Caller* caller = frame.cpu < machine::kMaxCpus ? FindCaller(from, frame.cpu) : nullptr;
  if (caller == nullptr && frame.cpu < machine::kMaxCpus)
    caller = AddCaller(from, frame.cpu);
  if (caller == nullptr) {
    SendReply(from, frame.cpu, frame.sequence, Status::kLimitExceeded, {});
    return;
  }
  switch (caller->replies->Admit(frame.sequence)) {
    case ReplyTable::Verdict::kNew: {
      IncomingCall call;
      call.from = from;
      call.caller_cpu = frame.cpu;
      call.sequence = frame.sequence;
      call.object = {{frame.object[0], frame.object[1]}};
      call.method = frame.method;
      call.class_digest = frame.class_digest;
      call.deadline_ns = now_ns + frame.budget_ns;
      call.request = payload;
      executor_.Execute(call);
      return;
    }
    case ReplyTable::Verdict::kExecuting:
      return;
    case ReplyTable::Verdict::kDone: {
      const Bytes reply = caller->replies->ReplyOf(frame.sequence);
      SendReply(from, frame.cpu, frame.sequence, reply.empty() ? Status::kUnknown : Status::kOk,
                reply);
      return;
    }
    case ReplyTable::Verdict::kForgotten:
      SendReply(from, frame.cpu, frame.sequence, Status::kUnknown, {});
      return;
    case ReplyTable::Verdict::kFull:
      return;  // it will come again
  }
}

void CallLayer::Reply(const IncomingCall& call, Bytes reply) {
  trace::Log(trace::kCallReply, call.sequence, call.from.node, call.caller_cpu, reply.size());
  Caller* caller = FindCaller(call.from, call.caller_cpu);
  if (caller == nullptr)
    return;  // the caller's node went down meanwhile
  caller->replies->Answer(call.sequence, reply);
  SendReply(call.from, call.caller_cpu, call.sequence, Status::kOk, reply);
}

// -- from outside ---------------------------------------------------------------------------------

void CallLayer::OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload,
                          std::uint64_t now_ns) {
  if (frame.kind == abi::FrameKind::kCall)
    OnRequest(from, frame, payload, now_ns);
  else if (frame.kind == abi::FrameKind::kReply)
    OnReply(from, frame, payload);
}

void CallLayer::OnPeerDown(LinkPeer peer, Status why) {
  if (!PeerIsGone(why))
    return;  // the peer lives: repetition and the table of replies make the break a mere delay
  for (;;) {
    Call* found = nullptr;
    for (Call& call : calls_) {
      if (call.home == peer) {
        found = &call;
        break;
      }
    }
    if (found == nullptr)
      break;
    if (found->sent)
      End(*found, CallEnd::kUnknown, Status::kUnknown);
    else
      End(*found, CallEnd::kNotSent, why);
  }
  for (Caller& caller : callers_) {
    if (caller.replies != nullptr && caller.peer == peer)
      Drop(caller);
  }
}

std::uint64_t CallLayer::Tick(std::uint64_t now_ns) {
  // One at a time: the end of a call may start another.
  for (;;) {
    Call* over = nullptr;
    bool left = false;
    for (Call& call : calls_) {
      left = call.next_send_ns <= now_ns && endpoint_.HasLeft(call.home);
      if (left || call.deadline_ns <= now_ns) {
        over = &call;
        break;
      }
    }
    if (over == nullptr)
      break;
    if (over->sent)
      End(*over, CallEnd::kUnknown, left ? Status::kUnknown : Status::kTimedOut);
    else
      End(*over, CallEnd::kNotSent, left ? Status::kNodeDead : Status::kTimedOut);
  }
  std::uint64_t next = ~std::uint64_t{0};
  for (Call& call : calls_) {
    if (call.next_send_ns <= now_ns)
      Send(call, now_ns);
    const std::uint64_t wanted =
        call.deadline_ns < call.next_send_ns ? call.deadline_ns : call.next_send_ns;
    if (wanted < next)
      next = wanted;
  }
  return next;
}

}  // namespace k42::global
