// The fabric inside one process, for tests: it delivers, with a clock that moves when told and with
// every liberty that the contract leaves, drawn from a seed.
//
//   - each operation takes a random time between Faults::min_delay_ns and max_delay_ns;
//   - puts overtake each other, and puts and gets move 64 bytes at a time, at different moments;
//   - an endpoint may break under any operation. What was under way then ends as kUnknown: of each
//     channel's messages some first ones still arrive, later, each put or atomic arrives or not;
//   - the wire repeats messages, and what a broken endpoint still brings comes in among what its
//     successor does: the receiving side sorts it out by life and number, as a real one has to;
//   - links can be cut and healed by hand.
// Two things never happen late: a get's bytes (its memory is the submitter's again once it has
// ended), and anything at a target that has removed the sender (the fence).
// A run is a function of seed, faults and the calls made: a failing one replays.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "interconnect/arena.h"
#include "interconnect/clock.h"
#include "interconnect/request_queue.h"
#include "interconnect/transport.h"

namespace k42::interconnect {

class LoopbackTransport;

struct Faults {
  std::uint64_t min_delay_ns = 1'000;
  std::uint64_t max_delay_ns = 100'000;
  std::uint32_t breaks_per_million = 0;   // operations under which the endpoint breaks
  std::uint32_t repeats_per_million = 0;  // messages that the wire delivers twice
  // For proving that a test would notice: defects, switched on.
  bool without_fence = false;          // what is under way arrives at who has removed the sender
  bool without_deduplication = false;  // what the wire repeats is delivered again
};

class LoopbackFabric {
 public:
  LoopbackFabric(std::uint64_t seed, Faults faults, const Clock& clock)
      : faults_(faults), clock_(clock), random_(seed) {}

  void SetFaults(const Faults& faults) { faults_ = faults; }
  void Cut(std::uint32_t a, std::uint32_t b);  // breaks what is open between them
  void Heal(std::uint32_t a, std::uint32_t b);
  // When the next thing happens, 0: nothing is under way.
  std::uint64_t NextEvent() const { return events_.empty() ? 0 : events_.begin()->first; }

 private:
  friend class LoopbackTransport;
  using Pair = std::pair<std::uint32_t, std::uint32_t>;
  static Pair Ordered(std::uint32_t a, std::uint32_t b) { return a < b ? Pair{a, b} : Pair{b, a}; }

  LoopbackTransport* Find(PeerId id);
  bool Reachable(std::uint32_t a, std::uint32_t b) const { return !cut_.contains(Ordered(a, b)); }
  std::uint64_t Delay();
  bool Chance(std::uint32_t per_million);
  void At(std::uint64_t time_ns, std::function<void()> what) {
    events_.emplace(time_ns, std::move(what));
  }
  void RunDue();

  Faults faults_;
  const Clock& clock_;
  std::mt19937_64 random_;
  std::map<PeerId, LoopbackTransport*> nodes_;
  std::set<Pair> cut_;
  std::multimap<std::uint64_t, std::function<void()>> events_;
};

class LoopbackTransport final : public Transport {
 public:
  LoopbackTransport(LoopbackFabric& fabric, const LocalIdentity& self, Arena& arena,
                    Events& events);
  ~LoopbackTransport() override;

  std::string_view Name() const override { return "loopback"; }
  std::string LocalAddress() const override { return "loopback"; }
  void SetIdentity(const LocalIdentity& self) override;
  void AddPeer(const PeerInfo& peer) override;
  void RemovePeer(PeerId peer, Status why) override;
  void Submit(const Request& request) override;
  void RevokeWindow(Token token, abi::WindowId window) override;
  std::size_t Progress() override;
  int WaitFd() const override { return -1; }
  bool Arm() override { return inbox_.empty(); }
  std::uint64_t NextTimer() const override;

 private:
  friend class LoopbackFabric;
  // What the wire carries; shared by the events that move it.
  struct Passage {
    Request request;
    std::uint64_t serial = 0;
    std::uint64_t life = 0;       // of the endpoint
    std::uint64_t number = 0;     // of a message on its channel in this life
    std::uint64_t admission = 0;  // the target's, of us
    std::vector<std::byte> data;  // a message; a put whose endpoint broke
    bool ended = false;           // its request has been reported
    bool arrives = true;
  };
  struct Endpoint {
    PeerInfo peer;
    std::uint64_t admission = 0;  // which AddPeer this is
    RequestQueue queue;           // until the endpoint is open
    bool up = false;
    std::uint64_t life = 0;
    std::uint64_t sent[abi::kChannelCount] = {};         // messages of this life
    std::uint64_t in_order_ns[abi::kChannelCount] = {};  // when the last message arrives
    std::uint64_t visible_ns = 0;                        // when all puts so far are visible
    std::map<std::uint64_t, std::shared_ptr<Passage>> under_way;  // by serial number
    // The receiving side: the peer's endpoint to us, and the messages taken from it.
    std::uint64_t peer_life = 0;
    std::uint64_t taken[abi::kChannelCount] = {};
  };

  Endpoint* FindEndpoint(PeerId peer);  // null: not a peer
  void Open(Endpoint& to);
  void Start(Endpoint& to, const Request& request);
  void StartMessage(LoopbackTransport* peer, Endpoint& to, std::shared_ptr<Passage> passage);
  void StartMemory(LoopbackTransport* peer, Endpoint& to, std::shared_ptr<Passage> passage);
  // At the target: has it not removed the sender since? And is this the sender's present endpoint?
  bool Knows(PeerId from, const Passage& passage);
  bool Admits(PeerId from, const Passage& passage);
  void Receive(PeerId from, std::shared_ptr<Passage> passage);
  void Finish(Passage& passage, std::uint64_t value);
  void Break(Endpoint& to, Status why);
  void DecideFate(Endpoint& to);
  void Later(std::function<void()> event) { inbox_.push_back(std::move(event)); }

  LoopbackFabric& fabric_;
  LocalIdentity self_;
  Arena& arena_;
  Events& events_;
  std::map<PeerId, Endpoint> endpoints_;
  std::vector<std::function<void()>> inbox_;  // delivered by Progress
  std::uint64_t next_serial_ = 1;
  std::uint64_t next_life_ = 1;
  std::uint64_t next_admission_ = 1;
};

}  // namespace k42::interconnect
