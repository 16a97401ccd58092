// Faults that operators ask for: what a cut does to what is under way, and that healing ends it.
#include "interconnect/fault_transport.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "interconnect/loopback_transport.h"
#include "unit/interconnect/test_fabric.h"

namespace k42::interconnect {
namespace {

class FaultyKind : public Kind {
 public:
  std::unique_ptr<Transport> Make(LocalNode& node) override {
    auto made = FaultTransport::Around(node.recorder, clock_, seed, [&](Events& events) {
      return std::make_unique<LoopbackTransport>(fabric_, node.identity, *node.arena, events);
    });
    faults.push_back(made.get());
    return made;
  }
  const Clock& clock() const override { return clock_; }
  void PassTime() override { clock_.Advance(20'000); }
  std::uint64_t PatienceNs() const override { return 400'000'000; }

  std::uint64_t seed = 7;
  std::vector<FaultTransport*> faults;  // of node 1, node 2, ...

 private:
  ManualClock clock_;
  LoopbackFabric fabric_{7, Faults{}, clock_};
};

struct Pair {
  explicit Pair(std::uint64_t seed = 7) {
    auto owned = std::make_unique<FaultyKind>();
    owned->seed = seed;
    kind = owned.get();
    fabric.emplace(std::move(owned), 2);
  }
  Request Send(const std::string& text, std::uint64_t at = 0) {
    fabric->node(1).Write(at, text);
    Request request;
    request.peer = fabric->node(2).id();
    request.local_offset = fabric->node(1).data(at);
    request.length = static_cast<std::uint32_t>(text.size());
    return request;
  }
  FaultTransport& at(std::uint32_t node) { return *kind->faults[node - 1]; }

  FaultyKind* kind = nullptr;
  std::optional<TestFabric> fabric;
};

TEST(Faults, ACutEndsEverythingAndHealingLetsItPassAgain) {
  Pair pair;
  EXPECT_EQ(pair.fabric->Run(1, pair.Send("before")).outcome, Outcome::kDone);
  constexpr std::uint64_t kUnderWay = 50;
  for (std::uint64_t i = 1; i <= kUnderWay; ++i) {
    Request request = pair.Send("under way", 64 * i);
    request.token = i;
    pair.fabric->node(1).Submit(request);
  }
  pair.at(1).Cut(2);
  pair.at(2).Cut(1);
  Recorder& recorder = pair.fabric->node(1).recorder;
  EXPECT_EQ(recorder.ended.size(), kUnderWay + 1);  // at once, each by its one end
  for (std::uint64_t i = 1; i <= kUnderWay; ++i) {
    ASSERT_NE(recorder.Find(i), nullptr);
    EXPECT_EQ(recorder.Find(i)->status, Status::kEndpointDown);
  }
  const std::size_t heard = pair.fabric->node(2).recorder.messages.size();
  const Completion refused = pair.fabric->Run(1, pair.Send("into the cut"));
  EXPECT_EQ(refused.outcome, Outcome::kNotSent);
  EXPECT_EQ(refused.status, Status::kEndpointDown);
  for (int i = 0; i < 100; ++i) pair.fabric->Step();
  EXPECT_EQ(pair.fabric->node(2).recorder.messages.size(), heard);

  pair.at(1).Heal(2);
  pair.at(2).Heal(1);
  EXPECT_EQ(pair.fabric->Run(1, pair.Send("after")).outcome, Outcome::kDone);
  ASSERT_TRUE(pair.fabric->Until(
      [&] { return pair.fabric->node(2).recorder.messages.back().text == "after"; }));
}

TEST(Faults, ACutHoldsForTheNextIncarnation) {
  Pair pair;
  pair.at(1).Cut(2);
  PeerInfo next = TestFabric::InfoOf(pair.fabric->node(2));
  ++next.id.incarnation;
  pair.fabric->node(1).AddPeer(next);
  Request request = pair.Send("to the next life");
  request.peer = next.id;
  EXPECT_EQ(pair.fabric->Run(1, request).status, Status::kEndpointDown);
}

// The delays come from the seed: equal seeds, equal times.
TEST(Faults, DelaysReplay) {
  const auto when = [](std::uint64_t seed) {
    Pair pair(seed);
    pair.at(1).Delay(2, 5'000'000);
    std::vector<std::uint64_t> times;
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t began = pair.kind->clock().NowNs();
      EXPECT_EQ(pair.fabric->Run(1, pair.Send("late")).outcome, Outcome::kDone);
      times.push_back(pair.kind->clock().NowNs() - began);
    }
    return times;
  };
  EXPECT_EQ(when(1), when(1));
  EXPECT_NE(when(1), when(2));
  EXPECT_GT(std::ranges::max(when(1)), 2'000'000u);
}

// One after the other, as long as their bytes take.
TEST(Faults, ASlowWayTakesAsLongAsItsBytes) {
  Pair pair;
  pair.at(1).Slow(2, 1'000'000);
  EXPECT_EQ(pair.at(1).RateOf(2), 1'000'000u);
  constexpr std::uint64_t kRequests = 10, kBytes = 936;  // and 64 of each request
  const std::uint64_t began = pair.kind->clock().NowNs();
  for (std::uint64_t i = 1; i <= kRequests; ++i) {
    Request request = pair.Send(std::string(kBytes, 'x'));
    request.token = i;
    pair.fabric->node(1).Submit(request);
  }
  Recorder& recorder = pair.fabric->node(1).recorder;
  ASSERT_TRUE(pair.fabric->Until([&] { return recorder.ended.size() == kRequests; }));
  const std::uint64_t took = pair.kind->clock().NowNs() - began;
  EXPECT_GE(took, 10'000'000u);
  EXPECT_LT(took, 12'000'000u);
  for (const Completion& one : recorder.ended) EXPECT_EQ(one.outcome, Outcome::kDone);

  pair.at(1).Heal(2);
  const std::uint64_t healed = pair.kind->clock().NowNs();
  EXPECT_EQ(pair.fabric->Run(1, pair.Send(std::string(kBytes, 'y'))).outcome, Outcome::kDone);
  EXPECT_LT(pair.kind->clock().NowNs() - healed, 1'000'000u);
}

// What was drawn for it before does not bind it any more; the order stays.
TEST(Faults, HealingLetsGoWhatWaits) {
  Pair pair;
  pair.at(1).Delay(2, 1'000'000'000'000);
  pair.at(1).Slow(2, 1);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    Request request = pair.Send("waits " + std::to_string(i), 64 * i);
    request.token = i;
    pair.fabric->node(1).Submit(request);
  }
  for (int i = 0; i < 100; ++i) pair.fabric->Step();
  EXPECT_TRUE(pair.fabric->node(2).recorder.messages.empty());
  const std::uint64_t healed = pair.kind->clock().NowNs();
  pair.at(1).Heal(2);
  EXPECT_LE(pair.at(1).NextTimer(), healed);
  const auto& heard = pair.fabric->node(2).recorder.messages;
  ASSERT_TRUE(pair.fabric->Until([&] { return heard.size() == 3; }));
  EXPECT_LT(pair.kind->clock().NowNs() - healed, 10'000'000u);
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(heard[i - 1].text, "waits " + std::to_string(i));

  // The slow way's debts are forgotten, too.
  pair.at(1).Slow(2, 1'000'000);
  EXPECT_EQ(pair.fabric->Run(1, pair.Send("after")).outcome, Outcome::kDone);
}

// Fewer operations came than the break was to be at: whoever waits for them is told now.
TEST(Faults, HealingBringsABreakThatWaits) {
  Pair pair;
  EXPECT_EQ(pair.fabric->Run(1, pair.Send("before")).outcome, Outcome::kDone);
  ASSERT_TRUE(pair.at(1).Break(2, 3, true));
  Request request = pair.Send("doubtful");
  request.token = 1;
  pair.fabric->node(1).Submit(request);
  Recorder& recorder = pair.fabric->node(1).recorder;
  for (int i = 0; i < 200; ++i) pair.fabric->Step();
  EXPECT_EQ(recorder.Find(1), nullptr);
  pair.at(1).Heal(2);
  ASSERT_TRUE(pair.fabric->Until([&] { return recorder.Find(1) != nullptr; }));
  EXPECT_EQ(recorder.Find(1)->outcome, Outcome::kUnknown);
  EXPECT_EQ(pair.at(1).counts().at(pair.fabric->node(2).id()).breaks, 1u);
  EXPECT_EQ(pair.fabric->Run(1, pair.Send("after")).outcome, Outcome::kDone);
}

// Whoever is told kUnknown may not assume either.
void BreakAtTheLast(bool done) {
  Pair pair;
  EXPECT_EQ(pair.fabric->Run(1, pair.Send("before")).outcome, Outcome::kDone);
  ASSERT_TRUE(pair.at(1).Break(2, 3, done));
  Recorder& recorder = pair.fabric->node(1).recorder;
  const std::size_t ended = recorder.ended.size();
  for (std::uint64_t i = 1; i <= 5; ++i) {
    Request request = pair.Send("doubtful " + std::to_string(i), 64 * i);
    request.token = i;
    pair.fabric->node(1).Submit(request);
    if (i == 2) {  // not before the third
      for (int step = 0; step < 200; ++step) pair.fabric->Step();
      EXPECT_EQ(recorder.ended.size(), ended);
    }
  }
  ASSERT_TRUE(pair.fabric->Until([&] { return recorder.ended.size() == ended + 5; }));
  for (std::uint64_t i = 1; i <= 5; ++i) {
    ASSERT_NE(recorder.Find(i), nullptr);
    EXPECT_EQ(recorder.Find(i)->outcome, i <= 3 ? Outcome::kUnknown : Outcome::kNotSent);
    EXPECT_EQ(recorder.Find(i)->status, Status::kEndpointDown);
  }
  EXPECT_EQ(pair.at(1).counts().at(pair.fabric->node(2).id()).breaks, 1u);
  EXPECT_EQ(pair.fabric->Run(1, pair.Send("after")).outcome, Outcome::kDone);
  const auto& heard = pair.fabric->node(2).recorder.messages;
  ASSERT_TRUE(pair.fabric->Until([&] { return heard.back().text == "after"; }));
  std::vector<std::string> texts;
  for (const auto& message : heard) texts.push_back(message.text);
  const std::vector<std::string> all = {"before", "doubtful 1", "doubtful 2", "doubtful 3",
                                        "after"};
  EXPECT_EQ(texts, done ? all : std::vector<std::string>({"before", "after"}));
}

TEST(Faults, ABreakAfterTheLastOperationsWereDone) {
  BreakAtTheLast(true);
}

TEST(Faults, ABreakBeforeTheLastOperationsWereDone) {
  BreakAtTheLast(false);
}

TEST(Faults, ABreakAtOnce) {
  Pair pair;
  EXPECT_EQ(pair.fabric->Run(1, pair.Send("before")).outcome, Outcome::kDone);
  ASSERT_TRUE(pair.at(1).Break(2, 0, true));
  ASSERT_TRUE(pair.fabric->Until(
      [&] { return pair.at(1).counts().at(pair.fabric->node(2).id()).breaks == 1; }));
  EXPECT_EQ(pair.fabric->Run(1, pair.Send("after")).outcome, Outcome::kDone);
}

// Whoever asks for a break that cannot be is told.
TEST(Faults, NoBreakWhereThereIsNothingToBreak) {
  Pair pair;
  EXPECT_FALSE(pair.at(1).Break(9, 0, true));
  pair.at(1).Cut(2);
  EXPECT_FALSE(pair.at(1).Break(2, 0, true));
  pair.at(1).Heal(2);
  EXPECT_TRUE(pair.at(1).Break(2, 3, true));
  EXPECT_FALSE(pair.at(1).Break(2, 1, true));
}

// A peer that leaves before its break comes: everything that was submitted has its end.
TEST(Faults, ABreakThatNeverCameToPassEndsWithThePeer) {
  Pair pair;
  ASSERT_TRUE(pair.at(1).Break(2, 3, false));
  Request request = pair.Send("doubtful");
  request.token = 1;
  pair.fabric->node(1).Submit(request);
  pair.at(1).RemovePeer(pair.fabric->node(2).id(), Status::kNodeDead);
  ASSERT_NE(pair.fabric->node(1).recorder.Find(1), nullptr);
  EXPECT_EQ(pair.fabric->node(1).recorder.Find(1)->outcome, Outcome::kUnknown);
}

TEST(Faults, CountsWhatPasses) {
  Pair pair;
  for (int i = 0; i < 5; ++i) (void)pair.fabric->Run(1, pair.Send("four"));
  ASSERT_TRUE(
      pair.fabric->Until([&] { return pair.fabric->node(2).recorder.messages.size() == 5; }));
  const auto sent = pair.at(1).counts().at(pair.fabric->node(2).id());
  const auto heard = pair.at(2).counts().at(pair.fabric->node(1).id());
  EXPECT_EQ(sent.sent, 5u);
  EXPECT_EQ(sent.sent_bytes, 20u);
  EXPECT_EQ(heard.messages, 5u);
  EXPECT_EQ(heard.message_bytes, 20u);
}

}  // namespace
}  // namespace k42::interconnect
