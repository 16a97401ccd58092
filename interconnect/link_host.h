// The daemon's end of the link: takes operations out of a kernel's submit rings, has them carried
// by a transport, and puts messages, notifications and completions into its receive rings.
//
// States (DaemonState in the arena):
//   Attach: kAttached   the header is checked, rings are taken over where a predecessor stopped
//   GoUp:   kUp         identity known
//   Open                the ways to the members are known, too; what the predecessor left under way
//                       is settled: gets and kRepeatable operations are repeated, others end as
//                       kUnknown
//   Detach: kDetached
// Before Open, operations to peers end as kNotSent/kUnavailable: not as kNotInView, which would
// tell the kernel that a member is none. So do those to a member whom no way is known to yet.
//
// The kernel is checked, not trusted: an id outside its ring's slots, an index out of bounds, or a
// frame that speaks for another node. The first two break the link (broken()); the third ends that
// operation with kPermissionDenied.
//
// A full receive ring: records wait here, in order, and however hostile kernel and peers are, they
// are bounded per CPU:
//   messages and notifications   at most kMaxBacklog bytes; beyond that the peer whose it was is
//                                reported by TakeOverflowed, for its endpoint to be broken (a
//                                message may be lost only with its endpoint)
//   completions                  at most kMostEnds: a kernel has no more operations than half of it
//   ends of endpoints, views     one that says nothing new behind the last is not kept
//   all                          at most kMostBacklog bytes
// A kernel that lets the second or the last come about breaks the link.
//
// One thread. Nothing here blocks.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "abi/frame.h"
#include "abi/receive_ring.h"
#include "abi/submit_ring.h"
#include "interconnect/arena.h"
#include "interconnect/clock.h"
#include "interconnect/transport.h"

namespace k42::interconnect {

class LinkHost final : public Events {
 public:
  struct Wiring {
    std::function<void(std::uint32_t cpu)> call;  // interrupts the kernel
    std::function<Transport*(PeerId)> route;      // nullptr: there is no way
    std::function<bool(PeerId)> is_member;        // of whom there is no way to
    std::function<std::vector<Transport*>()> transports;
    // A message from the kernel to its daemon.
    std::function<void(const abi::Frame&, std::span<const std::byte> payload)> on_control;
  };

  LinkHost(Arena& arena, Wiring wiring, const Clock& clock)
      : arena_(arena), wiring_(std::move(wiring)), clock_(clock) {}

  // kUnavailable: the kernel has not formatted the arena yet.
  Status Attach();
  bool attached() const { return !cpus_.empty(); }
  std::uint32_t generation() const { return generation_; }
  // What a predecessor of the same incarnation left: 0 if this is the first daemon.
  std::uint64_t AdoptedIncarnation() { return arena_.daemon().incarnation; }
  void GoUp(const LocalIdentity& identity, std::uint64_t lease_id);
  // Once `route` knows the members; again: nothing.
  void Open();
  void Detach();

  // Takes and starts what the kernel has submitted; flushes backlogs. Returns how much it did.
  std::size_t Serve();
  // Before sleeping. False: something came meanwhile, Serve again.
  bool Arm();

  // A frame to the kernel's CPU; kControl by its own daemon.
  void SendToKernel(std::uint32_t cpu, abi::FrameKind kind, std::uint32_t method,
                    std::span<const std::byte> payload, std::uint64_t sequence = 0);
  // Bytes that wait for room in that CPU's ring: who sends much looks here first.
  std::size_t BacklogBytes(std::uint32_t cpu) const {
    return attached() ? cpus_[CpuOf(cpu)].backlog_bytes : 0;
  }
  // Until when (this host's monotonic clock) the node has authority; 0: none.
  void SetAuthority(std::uint64_t host_deadline_ns);
  void SetViewEpoch(std::uint64_t epoch) { arena_.daemon().view_epoch.store(epoch); }
  // Host time since the kernel's heartbeat last moved.
  std::uint64_t HeartbeatAgeNs();

  bool broken() const { return broken_; }
  std::set<PeerId> TakeOverflowed() { return std::exchange(overflowed_, {}); }

  // -- Events --
  void OnMessage(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                 std::span<const std::byte> message) override;
  void OnNotify(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                std::uint64_t word) override;
  void OnCompletion(const Completion& completion) override;
  void OnPeerDown(PeerId peer, Status why) override;

 private:
  enum class Trait { kNone, kQuietEnd, kView };
  struct Record {
    abi::RecordHeader header;
    std::vector<std::byte> payload;
    Trait trait;
  };
  struct Cpu {
    abi::SubmitConsumer submit;
    abi::ReceiveProducer receive;
    std::deque<Record> backlog;
    std::size_t backlog_bytes = 0;
    std::uint32_t ends = 0;  // completions in the backlog
    // Of the backlog, while nothing of that peer (of any peer) is behind it: which endpoints' ends,
    // for which reasons; a view.
    std::set<std::pair<PeerId, std::uint64_t>> downs;
    bool view = false;
    std::uint32_t quiet = 0;  // records since the last call that were no reason for one
    bool call_due = false;
  };
  static constexpr std::size_t kMaxBacklog = 1 << 20;
  static constexpr std::size_t kMostBacklog = 16 * kMaxBacklog;
  // What a predecessor has ended is reported once more.
  static constexpr std::uint32_t kMostEnds = 2 * abi::kOperationsPerCpu;

  std::size_t ServeCpu(std::uint32_t cpu);
  void Begin(std::uint64_t id, abi::Operation& operation);
  void BeginSend(const Request& request, std::uint64_t id);
  void Revoke(std::uint64_t id, abi::WindowId window);
  Status WhyNoWay(PeerId peer) const;
  void SettlePredecessor();
  bool Put(std::uint32_t cpu, const abi::RecordHeader& header, std::span<const std::byte> payload,
           Trait trait = Trait::kNone);
  void Keep(Cpu& cpu, Record record);
  void DropWaitingView(Cpu& cpu);
  bool FlushBacklog(Cpu& cpu);
  void Calls();
  std::uint32_t CpuOf(std::uint32_t wanted) const {
    return wanted % static_cast<std::uint32_t>(cpus_.size());
  }

  Arena& arena_;
  const Wiring wiring_;
  const Clock& clock_;
  std::vector<Cpu> cpus_;
  LocalIdentity identity_;
  bool open_ = false;
  bool broken_ = false;
  std::uint32_t generation_ = 0;
  std::map<Token, std::pair<std::size_t, Completion>> revocations_;  // transports still to answer
  std::set<PeerId> overflowed_;
  std::uint64_t heartbeat_ = 0;
  std::uint64_t heartbeat_seen_ns_ = 0;
};

}  // namespace k42::interconnect
