// Round trips over the link: answers other nodes' echo messages, and sends its own.
//
// Ping waits for one answer, from the own daemon or from another node's kernel; it shows that the
// whole way works and how long it is. Answers are sent from a small pool; when it is exhausted an
// echo goes unanswered, as its sender must expect anyway.
//
// Locking: a Wait record belongs to the CPU that pings and is found by (cpu, sequence) on it.
#pragma once

#include <cstdint>

#include "global/link_port.h"
#include "global/put_echo.h"
#include "machine/thread.h"

namespace k42::global {

class LinkEcho final : public LinkReceiver {
 public:
  constexpr LinkEcho(LinkPort& port, const ClusterView& view) : port_(port), puts_(port, view) {}

  // Sends `payload` to the peer (LinkPeer{abi::kDaemonNode, 0}: the own daemon) and waits for the
  // same bytes to come back. Returns the round trip in ns; kTimedOut after `budget_ns`; or why it
  // was not sent. A thread of any CPU; blocks (BlockExternal).
  Result<std::uint64_t> Ping(LinkPeer peer, Bytes payload, std::uint64_t budget_ns);

  PutEcho& puts() { return puts_; }

  void OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload) override;
  void OnNotify(LinkPeer from, std::uint64_t word) override { puts_.OnNotify(from, word); }
  void OnPeerDown(LinkPeer peer, Status why) override { puts_.OnPeerDown(peer, why); }

 private:
  struct Wait {
    std::uint64_t sequence = 0;  // 0: free
    Bytes payload;
    machine::Thread* thread = nullptr;
    bool answered = false;
    bool intact = false;
  };
  struct Answer : LinkRequest {
    bool busy = false;
    std::byte copy[abi::kMaxMessage - sizeof(abi::Frame)];
  };
  static constexpr std::uint32_t kWaits = 8;    // pings at once, per CPU
  static constexpr std::uint32_t kAnswers = 4;  // per CPU
  struct Cpu {
    std::uint64_t sequence = 0;
    Wait waits[kWaits];
    Answer* answers[kAnswers] = {};
  };

  void SendAnswer(LinkPeer to, const abi::Frame& frame, Bytes payload);

  LinkPort& port_;
  PutEcho puts_;
  Cpu cpus_[machine::kMaxCpus];
};

}  // namespace k42::global
