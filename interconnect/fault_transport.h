// A transport around another: what an operator sees of it (counts per peer), and the faults that a
// test asks for between this node and another.
//
//   cut     the way to a node is gone: its endpoints break (what was under way ends as the contract
//           says), requests end as kNotSent/kEndpointDown, and nothing of it is heard
//   delay   each request waits a time drawn from the seed, up to twice `delay`; order per peer
//   stays
//   slow    requests leave one after the other, at so many bytes a second (kRequestBytes and what
//           they carry); a get costs what it brings
//   break   the endpoint breaks, once: at the next k requests, all of which end as kUnknown though
//           they were carried out, or though none was; what comes between waits and was not sent.
//           k is 0: at once, and what is under way ends as the contract says
//   hold    the next large put to a node stops this process half-way, after all checks: where this
//           process does the copy itself, in the middle of it, else when it was handed to the
//           network
// Loss is no fault here: the contract knows only endpoints that break.
//
// A fault is of a node, so it outlives the node's incarnations, until Heal; but a break is of the
// endpoint that there is. Healing lets go what waits, and brings a break that waits. To cut both
// directions both ends are told. Without faults this only counts.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "interconnect/clock.h"
#include "interconnect/transport.h"

namespace k42::interconnect {

class FaultTransport final : public Transport, private Events {
 public:
  // What passed to and from one incarnation, since it was added.
  struct Counts {
    std::uint64_t sent = 0;  // requests handed on
    std::uint64_t sent_bytes = 0;
    std::uint64_t messages = 0;  // heard
    std::uint64_t message_bytes = 0;
    std::uint64_t notifications = 0;
    std::uint64_t breaks = 0;
  };

  // `make(events)` gives the inner transport, which must report to those events; null: so is this.
  template <typename Make>
  static std::unique_ptr<FaultTransport> Around(Events& events, const Clock& clock,
                                                std::uint64_t seed, Make make) {
    std::unique_ptr<FaultTransport> made(new FaultTransport(events, clock, seed));
    made->inner_ = make(static_cast<Events&>(*made));
    return made->inner_ == nullptr ? nullptr : std::move(made);
  }

  void Cut(std::uint32_t node);
  void Delay(std::uint32_t node, std::uint64_t delay_ns);
  void Slow(std::uint32_t node, std::uint64_t bytes_per_second);  // 0: no more
  // False: there is no endpoint to break (no such peer, or its way is cut), or it breaks already.
  [[nodiscard]] bool Break(std::uint32_t node, std::uint32_t operations, bool done);
  void Hold(std::uint32_t node);  // once
  void Heal(std::uint32_t node);  // of all

  bool IsCut(std::uint32_t node) const;
  std::uint64_t DelayOf(std::uint32_t node) const;
  std::uint64_t RateOf(std::uint32_t node) const;
  std::map<PeerId, Counts> counts() const;

  // -- Transport --
  std::string_view Name() const override { return inner_->Name(); }
  std::string LocalAddress() const override { return inner_->LocalAddress(); }
  void SetIdentity(const LocalIdentity& self) override { inner_->SetIdentity(self); }
  void AddPeer(const PeerInfo& peer) override;
  void RemovePeer(PeerId peer, Status why) override;
  void Submit(const Request& request) override;
  void RevokeWindow(Token token, abi::WindowId window) override {
    inner_->RevokeWindow(token, window);
  }
  std::size_t Progress() override;
  int WaitFd() const override { return inner_->WaitFd(); }
  bool Arm() override { return inner_->Arm(); }
  std::uint64_t NextTimer() const override;

 private:
  struct Fault {
    bool cut = false;
    std::uint64_t delay_ns = 0;
    std::uint64_t bytes_per_second = 0;
    bool hold = false;
  };
  static constexpr std::uint64_t kRequestBytes = 64;
  // A break that was asked for: at `left` more requests, whose ends are `doubtful`.
  struct Breaking {
    std::uint32_t left;
    bool done;
    std::vector<Token> doubtful;
  };
  struct Held {
    std::uint64_t due_ns;
    Request request;
  };
  struct Peer {
    PeerInfo info;
    Counts counts;
    std::deque<Held> held;
    std::uint64_t free_ns = 0;  // of a slow way: when all that left before has passed
    std::optional<Breaking> breaking;
    // All that the break was to be at has come: nothing more passes before it.
    bool at_break() const { return breaking && breaking->left == 0; }
  };

  FaultTransport(Events& events, const Clock& clock, std::uint64_t seed)
      : events_(events), clock_(clock), random_(seed) {}

  void HandOn(Peer& peer, const Request& request);
  bool BreakIsDue(const Peer& peer) const;
  void BreakNow(Peer& peer);
  void EndDoubtful(Peer& peer, Status why);
  void FailHeld(Peer& peer, Status why);

  // -- Events, of the inner transport --
  void OnMessage(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                 std::span<const std::byte> message) override;
  void OnNotify(PeerId from, abi::Channel channel, std::uint32_t receiver_cpu,
                std::uint64_t word) override;
  void OnCompletion(const Completion& completion) override;
  void OnPeerDown(PeerId peer, Status why) override;

  Events& events_;
  const Clock& clock_;
  std::mt19937_64 random_;
  std::map<PeerId, Peer> peers_;
  std::map<std::uint32_t, Fault> faults_;
  std::set<Token> withheld_;          // doubtful ones, under way in the inner transport
  std::unique_ptr<Transport> inner_;  // last: it reports to us until it is gone
};

}  // namespace k42::interconnect
