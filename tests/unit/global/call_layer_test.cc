// Calls between nodes under seeded faults: each ends once, by its deadline, truthfully; nothing is
// executed twice.
#include "global/call_layer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "call_sim.h"

namespace k42::global {
namespace {

using test::CallSim;
constexpr std::uint64_t kMs = 1'000'000;

std::uint32_t Schedules() {
  const char* wanted = std::getenv("K42_SCHEDULES");
  return wanted != nullptr ? static_cast<std::uint32_t>(std::atoi(wanted)) : 10'000;
}

TEST(CallLayer, ACallReturnsItsReply) {
  CallSim sim(1, 2, {});
  sim.StartCall(1, 2, 5, 100 * kMs);
  sim.Run(20 * kMs);
  EXPECT_EQ(sim.calls[0]->end, CallEnd::kDone);
  EXPECT_EQ(sim.calls[0]->sum, 5u);
  EXPECT_LT(sim.calls[0]->ended_ns, kMs);
}

TEST(CallLayer, ALostMessageCostsADelayNotTheCall) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CallSim sim(seed, 2, {.loss_percent = 30});
    sim.StartCall(1, 2, 5, 10'000 * kMs);
    sim.Run(11'000 * kMs);
    ASSERT_EQ(sim.calls[0]->end, CallEnd::kDone) << "seed " << seed;
    ASSERT_EQ(sim.node(2).counter, 5u) << "seed " << seed;
  }
}

TEST(CallLayer, NothingHangsOnADeadNode) {
  CallSim sim(1, 2, {});
  sim.StartCall(1, 2, 5, 1000 * kMs);
  sim.Kill(2, false);
  EXPECT_EQ(sim.calls[0]->end, CallEnd::kUnknown);  // it was sent
  EXPECT_EQ(sim.calls[0]->status, Status::kUnknown);
  CallSim refusing(1, 2, {.refuse_percent = 100});
  refusing.StartCall(1, 2, 5, 1000 * kMs);
  refusing.Kill(2, false);
  EXPECT_EQ(refusing.calls[0]->end, CallEnd::kNotSent);
  EXPECT_EQ(refusing.calls[0]->status, Status::kNodeDead);
}

// The word of a peer's end has passed this CPU already when the call starts, or comes to the view
// only.
TEST(CallLayer, ACallToWhatHasLeftEndsAtOnce) {
  CallSim sim(1, 2, {.loss_percent = 100});
  sim.StartCall(1, 2, 5, 1000 * kMs);
  sim.known_dead.insert({1, 2, sim.node(2).incarnation});
  sim.StartCall(1, 2, 5, 1000 * kMs);
  EXPECT_EQ(sim.calls[1]->end, CallEnd::kNotSent);
  EXPECT_EQ(sim.calls[1]->status, Status::kNodeDead);
  sim.Run(100 * kMs);
  EXPECT_EQ(sim.calls[0]->end, CallEnd::kUnknown);  // it was sent
  EXPECT_EQ(sim.calls[0]->status, Status::kUnknown);
  EXPECT_LE(sim.calls[0]->ended_ns, 70 * kMs);
}

// Another node's words: a reply whose status is no error, or asks the caller to wait.
TEST(CallLayer, AHostileRefusalIsCorrupt) {
  for (const auto word : {static_cast<Status>(7), Status::kPending, Status::kWouldBlock}) {
    CallSim sim(1, 2, {.loss_percent = 100});
    sim.StartCall(1, 2, 5, 1000 * kMs);
    abi::Frame frame{};
    frame.kind = abi::FrameKind::kReply;
    frame.sequence = 1;
    frame.status = word;
    sim.node(1).layer->OnMessage(sim.node(2).Self(), frame, {}, 0);
    EXPECT_EQ(sim.calls[0]->end, CallEnd::kUnknown);
    EXPECT_EQ(sim.calls[0]->status, Status::kCorrupt);
  }
}

// A node that claims more CPUs than there can be gets no table of replies for them.
TEST(CallLayer, ANodeCannotTakeThePlacesOfAllOthers) {
  CallSim sim(1, 3, {});
  for (std::uint32_t cpu = machine::kMaxCpus; cpu < machine::kMaxCpus + 300; ++cpu) {
    abi::Frame frame{};
    frame.kind = abi::FrameKind::kCall;
    frame.sequence = 1;
    frame.cpu = cpu;
    frame.budget_ns = 1000 * kMs;
    sim.node(2).layer->OnMessage(sim.node(3).Self(), frame, {}, 0);
  }
  EXPECT_TRUE(sim.node(2).executed.empty());
  sim.StartCall(1, 2, 5, 100 * kMs);
  sim.Run(20 * kMs);
  EXPECT_EQ(sim.calls[0]->end, CallEnd::kDone);
}

// Their ends came while our daemon was away: nobody says them again, but the view knows.
TEST(CallLayer, CallersThatHaveLeftGiveTheirPlacesBack) {
  CallSim sim(1, 3, {});
  CallSim::Node& home = sim.node(2);
  const auto ask = [&](LinkPeer from) {
    abi::Frame frame{};
    frame.kind = abi::FrameKind::kCall;
    frame.sequence = 1;
    frame.budget_ns = 1000 * kMs;
    home.layer->OnMessage(from, frame, {}, 0);
  };
  constexpr std::uint64_t kMany = CallLayer::kMaxCallers + 44;
  for (std::uint64_t life = 1; life <= kMany; ++life) {
    ask({3, life});
    EXPECT_EQ(sim.allocator.blocks(), 1);  // its table, and nobody else's
    sim.known_dead.insert({2, 3, life});
  }
  EXPECT_EQ(home.executed.size(), kMany);
}

TEST(CallLayer, TheDeadlineEndsACall) {
  CallSim sim(1, 2, {.loss_percent = 100});
  sim.StartCall(1, 2, 5, 100 * kMs);
  sim.Run(200 * kMs);
  EXPECT_EQ(sim.calls[0]->status, Status::kTimedOut);
  EXPECT_EQ(sim.calls[0]->end, CallEnd::kUnknown);
  EXPECT_LE(sim.calls[0]->ended_ns, 111 * kMs);
}

TEST(ReplyTable, KeepsTheLast64) {
  test::CountingAllocator allocator;
  {
    ReplyTable table(allocator);
    const std::uint64_t word = 7;
    for (std::uint64_t sequence = 1; sequence <= 100; ++sequence) {
      ASSERT_EQ(table.Admit(sequence), ReplyTable::Verdict::kNew);
      ASSERT_EQ(table.Admit(sequence), ReplyTable::Verdict::kExecuting);
      table.Answer(sequence, BytesOf(word));
      ASSERT_EQ(table.Admit(sequence), ReplyTable::Verdict::kDone);
    }
    EXPECT_EQ(table.Admit(37), ReplyTable::Verdict::kDone);
    EXPECT_EQ(table.Admit(36), ReplyTable::Verdict::kForgotten);
    EXPECT_EQ(table.ReplyOf(100).size(), 8u);
    for (std::uint64_t sequence = 101; sequence <= 164; ++sequence)
      ASSERT_EQ(table.Admit(sequence), ReplyTable::Verdict::kNew);
    EXPECT_EQ(table.Admit(165), ReplyTable::Verdict::kFull);
  }
  EXPECT_EQ(allocator.blocks(), 0);
}

// Ten thousand schedules: nodes call each other while messages are lost and refused, endpoints
// break and nodes die and come back.
TEST(CallLayer, TenThousandSchedules) {
  std::uint64_t done = 0, unknown = 0, not_sent = 0;
  for (std::uint64_t seed = 1; seed <= Schedules(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 plan(seed * 7919);
    const auto pick = [&](std::uint64_t limit) { return plan() % limit; };
    const std::uint32_t nodes = 2 + static_cast<std::uint32_t>(pick(3));
    CallSim sim(seed, nodes,
                {.loss_percent = static_cast<std::uint32_t>(pick(3) * 15),
                 .delay_ns = 1 + pick(5 * kMs),
                 .refuse_percent = static_cast<std::uint32_t>(pick(2) * 20)});
    // Node 1 only calls and never dies; the others serve, and may die once.
    const std::uint32_t victim = pick(3) == 0 ? 2 + static_cast<std::uint32_t>(pick(nodes - 1)) : 0;
    const std::uint64_t death = pick(300) * kMs;
    for (int i = 0; i < 12; ++i) {
      const std::uint32_t to = 2 + static_cast<std::uint32_t>(pick(nodes - 1));
      const std::uint64_t budget = (50 + pick(800)) * kMs;
      sim.After(pick(300 * kMs), [&sim, to, budget] {
        if (sim.node(to).up)
          sim.StartCall(1, to, 1, budget);
      });
    }
    sim.After(pick(300 * kMs), [&sim] { sim.BreakEndpoint(1, 2); });
    std::uint64_t lost_counter = 0;
    if (victim != 0) {
      const bool comes_back = pick(2) == 0;
      sim.After(death, [&sim, victim, comes_back, &lost_counter] {
        lost_counter = sim.node(victim).counter;
        sim.Kill(victim, comes_back);
      });
    }
    sim.Run(1500 * kMs);

    ASSERT_FALSE(sim.executed_twice);
    std::uint64_t confirmed = 0, possible = 0;
    for (const auto& call : sim.calls) {
      ASSERT_EQ(call->ends, 1) << "a call ends exactly once";
      ASSERT_LE(call->ended_ns, call->deadline_ns + 10 * kMs) << "by its deadline";
      if (call->end == CallEnd::kDone) {
        ++confirmed;
        ++done;
      } else if (call->end == CallEnd::kUnknown) {
        ++possible;
        ++unknown;
      } else {
        ++not_sent;
      }
    }
    std::uint64_t counted = lost_counter;
    for (const auto& node : sim.all)
      if (node->number != victim || node->up)
        counted += node->counter;
    ASSERT_GE(counted, confirmed) << "what was confirmed has happened";
    ASSERT_LE(counted, confirmed + possible) << "what was not sent has not";
  }
  EXPECT_GT(done, 0u);
  RecordProperty("done", static_cast<int>(done));
  RecordProperty("unknown", static_cast<int>(unknown));
  RecordProperty("not_sent", static_cast<int>(not_sent));
}

}  // namespace
}  // namespace k42::global
