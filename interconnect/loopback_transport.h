// The fabric inside one process, for tests: it delivers, with a clock that moves when told and with
// every liberty that the contract leaves, drawn from a seed.
//
//   - each operation takes a random time between Faults::min_delay_ns and max_delay_ns;
//   - puts overtake each other, and puts and gets move 64 bytes at a time, at different moments;
//   - an endpoint may break under any operation; what was under way then ends as kUnknown, and
//     happens or not;
//   - links can be cut and healed by hand.
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
  std::uint32_t breaks_per_million = 0;  // operations under which the endpoint breaks
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
  struct Endpoint {
    PeerInfo peer;
    RequestQueue queue;  // until the endpoint is open
    bool up = false;
    std::uint64_t life = 0;  // events of an earlier life of the endpoint are void
    std::uint64_t in_order_ns[abi::kChannelCount] = {};  // when the last message arrives
    std::uint64_t visible_ns = 0;                        // when all puts so far are visible
    std::map<std::uint64_t, Request> under_way;          // by serial number
  };

  void Open(Endpoint& to);
  void Start(Endpoint& to, const Request& request);
  void StartMemory(Endpoint& to, LoopbackTransport* peer, std::uint64_t serial,
                   const Request& request);
  void Finish(PeerId peer, std::uint64_t life, std::uint64_t serial, std::uint64_t value);
  void Break(Endpoint& to, Status why);
  Endpoint* Live(PeerId peer, std::uint64_t life);
  void Later(std::function<void()> event) { inbox_.push_back(std::move(event)); }

  LoopbackFabric& fabric_;
  LocalIdentity self_;
  Arena& arena_;
  Events& events_;
  std::map<PeerId, Endpoint> endpoints_;
  std::vector<std::function<void()>> inbox_;  // delivered by Progress
  std::uint64_t next_serial_ = 1;
};

}  // namespace k42::interconnect
