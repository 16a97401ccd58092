// N nodes with call layers over a fabric that delays, loses, breaks and kills, all from one seed,
// in one process with a manual clock. Time moves from event to event.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <vector>

#include "global/call_layer.h"
#include "support/node_fixture.h"

namespace k42::test {

class CallSim {
 public:
  struct Faults {
    std::uint32_t loss_percent = 0;    // the endpoint breaks there: later messages pass
    std::uint64_t delay_ns = 100'000;  // up to
    std::uint32_t refuse_percent = 0;  // Send fails at once
  };
  // What a request does at its home: adds its 8 bytes to a counter, answers the sum.
  struct Node final : global::Endpoint, global::Executor {
    Node(CallSim& sim_, std::uint32_t number_) : sim(sim_), number(number_) { Boot(); }
    void Boot() {
      ++incarnation;
      layer = std::make_unique<global::CallLayer>(*this, *this, sim.allocator, 0);
      counter = 0;
      executed.clear();
    }
    global::LinkPeer Self() const override { return {number, incarnation}; }
    Status Send(global::LinkPeer peer, std::uint32_t, const abi::Frame& frame,
                Bytes payload) override {
      return sim.Carry(*this, peer, frame, payload);
    }
    // What the node knows without having been told by OnPeerDown: what it has seen dead itself.
    bool HasLeft(global::LinkPeer peer) const override {
      return sim.known_dead.contains({number, peer.node, peer.incarnation});
    }
    void Execute(const global::IncomingCall& call) override {
      std::uint64_t amount = 0;
      if (call.request.size() == 8)
        std::memcpy(&amount, call.request.data(), 8);
      if (!executed.insert({call.from.node, call.from.incarnation, call.sequence}).second)
        sim.executed_twice = true;
      counter += amount;
      const std::uint64_t sum = counter;
      const std::uint64_t life = incarnation;
      // Some objects take their time.
      sim.After(sim.Random(200'000), [this, call, sum, life] {
        if (incarnation == life)
          layer->Reply(call, BytesOf(sum));
      });
    }

    CallSim& sim;
    const std::uint32_t number;
    std::uint64_t incarnation = 0;
    bool up = true;
    std::unique_ptr<global::CallLayer> layer;
    std::uint64_t counter = 0;
    std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> executed;
  };
  struct Started : global::Call {
    std::uint64_t amount = 0, sum = 0;
    CallSim* sim = nullptr;
    std::uint64_t ended_ns = 0;
    int ends = 0;
  };

  CallSim(std::uint64_t seed, std::uint32_t nodes, Faults faults_) : faults(faults_), random(seed) {
    for (std::uint32_t i = 0; i < nodes; ++i) all.push_back(std::make_unique<Node>(*this, i + 1));
  }

  std::uint64_t Random(std::uint64_t limit) { return limit == 0 ? 0 : random() % limit; }
  bool Chance(std::uint32_t percent) { return Random(100) < percent; }
  Node& node(std::uint32_t number) { return *all[number - 1]; }

  void After(std::uint64_t ns, std::function<void()> what) {
    events.push({now + ns, ++order, std::move(what)});
  }

  Status Carry(Node& from, global::LinkPeer to, const abi::Frame& frame, Bytes payload) {
    if (Chance(faults.refuse_percent))
      return Status::kWouldBlock;
    if (Chance(faults.loss_percent))
      return Status::kOk;  // accepted, and lost with the endpoint
    auto bytes = std::make_shared<std::vector<std::byte>>(payload.begin(), payload.end());
    const global::LinkPeer sender = from.Self();
    const std::uint64_t arrival =
        std::max(last[{sender.node, to.node}], now + Random(faults.delay_ns));
    last[{sender.node, to.node}] = arrival;  // in order
    After(arrival - now, [this, sender, to, frame, bytes] {
      Node& receiver = node(to.node);
      // The view: neither a dead receiver nor a dead sender's message.
      if (!receiver.up || receiver.Self() != to || !node(sender.node).up ||
          node(sender.node).Self() != sender)
        return;
      receiver.layer->OnMessage(sender, frame, *bytes, now);
    });
    return Status::kOk;
  }

  void StartCall(std::uint32_t from, std::uint32_t to, std::uint64_t amount, std::uint64_t budget) {
    auto& call = calls.emplace_back(std::make_unique<Started>());
    call->sim = this;
    call->amount = amount;
    call->home = node(to).Self();
    call->deadline_ns = now + budget;
    call->request = BytesOf(call->amount);
    call->reply = {reinterpret_cast<std::byte*>(&call->sum), 8};
    call->done = [](global::Call& ended) {
      auto& mine = static_cast<Started&>(ended);
      ++mine.ends;
      mine.ended_ns = mine.sim->now;
    };
    node(from).layer->Start(*call, now);
  }

  // The node dies with all it had under way, and may come back as a new incarnation.
  void Kill(std::uint32_t number, bool comes_back) {
    const global::LinkPeer dead = node(number).Self();
    for (auto& call : calls)
      if (call->ends == 0 && call->linked() && caller_of(*call) == number)
        call->ends = -1;  // went with its node
    node(number).up = false;
    for (auto& call : calls)
      if (call->ends == -1 && call->linked())
        call->Unlink();
    for (auto& other : all)
      if (other->number != number && other->up)
        other->layer->OnPeerDown(dead, Status::kNodeDead);
    if (comes_back) {
      node(number).up = true;
      node(number).Boot();
    }
  }
  void BreakEndpoint(std::uint32_t a, std::uint32_t b) {
    if (node(a).up)
      node(a).layer->OnPeerDown(node(b).Self(), Status::kEndpointDown);
  }

  // Until nothing happens any more, or `end`. Each layer is ticked every 10 ms.
  void Run(std::uint64_t end) {
    for (std::uint64_t at = now + 10'000'000; at <= end; at += 10'000'000)
      events.push({at, ++order, [this] {
                     for (auto& each : all)
                       if (each->up)
                         (void)each->layer->Tick(now);
                   }});
    while (!events.empty() && events.top().at <= end) {
      auto event = events.top();
      events.pop();
      now = event.at;
      event.what();
    }
    now = end;
  }

  std::uint32_t caller_of(const Started& call) const {
    const auto found = callers.find(&call);
    return found == callers.end() ? 0 : found->second;
  }

  struct Event {
    std::uint64_t at, order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return std::tie(at, order) > std::tie(other.at, other.order);
    }
  };

  Faults faults;
  std::mt19937_64 random;
  std::uint64_t now = 1, order = 0;
  bool executed_twice = false;
  CountingAllocator allocator;
  std::vector<std::unique_ptr<Node>> all;
  std::vector<std::unique_ptr<Started>> calls;
  std::map<const Started*, std::uint32_t> callers;
  std::set<std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>> known_dead;  // by whom
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> last;
  std::priority_queue<Event> events;
};

}  // namespace k42::test
