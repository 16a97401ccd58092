// CallLayer: calls between nodes, of one CPU of one node. A pure step function: it sees messages,
// ends of sends, peers that went down and the time, and answers by sends through an Endpoint and by
// ends of calls. It holds no clock, no thread and no lock, so that ten thousand schedules run in
// one process.
//
// The caller's side. A call is sent, and sent again every kResendNs until its reply comes, its peer
// goes down or its deadline passes: the call id (caller's node, incarnation, CPU, sequence) makes
// repetition harmless. So a message lost with a daemon costs a delay, not the call. The callee's
// side. A ReplyTable per caller CPU says whether a request is new. New ones go to the Executor,
// which answers by Reply, at once or later.
//
// A broken endpoint alone ends nothing. A peer that left the view never comes back as the same
// incarnation: its calls end as NotSent (with why) if no send was ever accepted, else as Unknown;
// and its tables of replies go. A call that starts after the word of its peer's end has passed is
// caught by asking the endpoint, at once and with every repetition; tables are, when another is
// made. At the deadline: kTimedOut, Unknown if it was ever sent.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/intrusive_list.h"
#include "global/call.h"
#include "global/endpoint.h"
#include "global/reply_table.h"

namespace k42::global {

// A request to execute. The executor owns it until Reply.
struct IncomingCall {
  LinkPeer from;
  std::uint32_t caller_cpu = 0;
  std::uint64_t sequence = 0;
  GlobalId object;
  std::uint32_t method = 0;
  std::uint64_t class_digest = 0;
  std::uint64_t deadline_ns = 0;
  Bytes request;  // valid during Execute only
};

class Executor {
 public:
  // Must lead to exactly one Reply with the same call.
  virtual void Execute(const IncomingCall& call) = 0;

 protected:
  ~Executor() = default;
};

class CallLayer {
 public:
  static constexpr std::uint64_t kResendNs = 50'000'000;
  static constexpr std::uint32_t kMaxCallers = 256;  // CPUs of other nodes that call this one

  CallLayer(Endpoint& endpoint, Executor& executor, Allocator& allocator, std::uint32_t cpu)
      : endpoint_(endpoint), executor_(executor), allocator_(allocator), cpu_(cpu) {}
  ~CallLayer();
  CallLayer(const CallLayer&) = delete;
  CallLayer& operator=(const CallLayer&) = delete;

  // -- the caller's side --
  void Start(Call& call, std::uint64_t now_ns);
  // The caller no longer wants it. Its end is not reported.
  void Forget(Call& call);

  // -- the callee's side --
  void Reply(const IncomingCall& call, Bytes reply);

  // -- from the endpoint and the clock --
  void OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload, std::uint64_t now_ns);
  void OnPeerDown(LinkPeer peer, Status why);
  // Sends again, ends what is overdue. Returns when it wants to be called next; ~0: not at all.
  std::uint64_t Tick(std::uint64_t now_ns);

  bool idle() const { return calls_.empty(); }

 private:
  struct Caller {
    LinkPeer peer;
    std::uint32_t cpu = 0;
    ReplyTable* replies = nullptr;  // null: free
  };

  void Send(Call& call, std::uint64_t now_ns);
  void End(Call& call, CallEnd end, Status status);
  void OnRequest(LinkPeer from, const abi::Frame& frame, Bytes payload, std::uint64_t now_ns);
  void OnReply(LinkPeer from, const abi::Frame& frame, Bytes payload);
  void SendReply(LinkPeer to, std::uint32_t cpu, std::uint64_t sequence, Status refusal,
                 Bytes reply);
  Caller* FindCaller(LinkPeer peer, std::uint32_t cpu);
  Caller* AddCaller(LinkPeer peer, std::uint32_t cpu);
  void Drop(Caller& caller);

  Endpoint& endpoint_;
  Executor& executor_;
  Allocator& allocator_;
  const std::uint32_t cpu_;
  std::uint64_t last_sequence_ = 0;
  IntrusiveList<Call> calls_;
  Caller callers_[kMaxCallers];
};

}  // namespace k42::global
