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
