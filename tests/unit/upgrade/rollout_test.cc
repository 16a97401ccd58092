#include "cluster-services/upgrade/rollout.h"

#include <gtest/gtest.h>

#include <random>

#include "cluster-services/upgrade/records.h"

namespace k42::upgrade {
namespace {

const Release kOld{1, ""};
const Release kNew{2, "cafe"};
constexpr char kClass[] = "FabricStream";

view::View ViewOf(std::initializer_list<NodeId> nodes) {
  view::View view;
  for (NodeId node : nodes) view = view.With({node, 100 + node, ""});
  return view;
}

Actual Runs(NodeId node, Release release, std::string failed = "") {
  return {node, 100 + node, {{kClass, release}}, failed, failed.empty() ? "" : "r1"};
}

Rollout Fresh(std::vector<std::vector<NodeId>> waves = {{1}, {2, 3}}, std::uint32_t soak = 10) {
  auto rollout = Begin("r1", kClass, kNew, {}, kOld, waves, soak, std::nullopt);
  EXPECT_TRUE(rollout.ok()) << rollout.Describe();
  return rollout.value();
}

TEST(Rollout, GoesWaveByWaveAndIsPromotedAtTheEnd) {
  auto view = ViewOf({1, 2, 3});
  std::map<NodeId, Actual> actuals{{1, Runs(1, kOld)}, {2, Runs(2, kOld)}, {3, Runs(3, kOld)}};
  Rollout rollout = Fresh();
  EXPECT_EQ(DesiredFor(rollout, 1), kNew);
  EXPECT_EQ(DesiredFor(rollout, 2), kOld);
  EXPECT_FALSE(Next(rollout, view, actuals, 1));
  EXPECT_EQ(WhyWaiting(rollout, view, actuals).size(), 1u);

  actuals[1] = Runs(1, kNew);
  rollout = *Next(rollout, view, actuals, 5);
  EXPECT_EQ(rollout.wave_ready_at_ms, 5u);
  EXPECT_FALSE(Next(rollout, view, actuals, 14));
  rollout = *Next(rollout, view, actuals, 15);
  EXPECT_EQ(rollout.wave, 1u);
  EXPECT_EQ(DesiredFor(rollout, 9), kNew);  // a late joiner belongs to the last wave

  actuals[2] = Runs(2, kNew);
  actuals[3] = Runs(3, kNew);
  rollout = *Next(rollout, view, actuals, 20);
  rollout = *Next(rollout, view, actuals, 30);
  EXPECT_EQ(rollout.phase, Phase::kPromoted);
  EXPECT_EQ(After({}, rollout).classes.at(kClass), Path{kNew});
  EXPECT_FALSE(Next(rollout, view, actuals, 99));
}

TEST(Rollout, AFailingNodeTakesEveryoneBack) {
  auto view = ViewOf({1, 2, 3});
  std::map<NodeId, Actual> actuals{
      {1, Runs(1, kOld, "digest is not signed")}, {2, Runs(2, kOld)}, {3, Runs(3, kOld)}};
  Rollout rollout = *Next(Fresh(), view, actuals, 1);
  EXPECT_EQ(rollout.phase, Phase::kRollingBack);
  EXPECT_EQ(rollout.reason, "node 1: digest is not signed");
  EXPECT_EQ(DesiredFor(rollout, 1), kOld);
  EXPECT_EQ(Next(rollout, view, actuals, 2)->phase, Phase::kRolledBack);
}

TEST(Rollout, ADeadNodeIsWaitedForOnlyWhileItIsAMember) {
  std::map<NodeId, Actual> actuals{{1, Runs(1, kNew)}, {2, Runs(2, kNew)}};
  Rollout rollout = Fresh({{1, 2, 3}}, 0);
  EXPECT_FALSE(Next(rollout, ViewOf({1, 2, 3}), actuals, 1));
  rollout = *Next(rollout, ViewOf({1, 2}), actuals, 1);
  EXPECT_EQ(Next(rollout, ViewOf({1, 2}), actuals, 2)->phase, Phase::kPromoted);
}

TEST(Rollout, WhatAnEarlierIncarnationSaidDoesNotCount) {
  Actual stale = Runs(1, kNew);
  stale.incarnation = 7;
  EXPECT_FALSE(Next(Fresh({{1}}, 0), ViewOf({1}), {{1, stale}}, 1));
}

TEST(Rollout, RefusesWhatIsNoSingleStep) {
  auto begin = [](Release to, std::vector<std::vector<NodeId>> waves,
                  std::optional<Rollout> current = {}) {
    return Begin("r", kClass, to, {}, kOld, waves, 0, current).status();
  };
  EXPECT_EQ(begin({3, "x"}, {{1}}), Status::kVersionMismatch);
  EXPECT_EQ(begin({1, "x"}, {{1}}), Status::kVersionMismatch);
  EXPECT_EQ(begin(kNew, {}), Status::kInvalidArgument);
  EXPECT_EQ(begin(kNew, {{1}, {}}), Status::kInvalidArgument);
  EXPECT_EQ(begin(kNew, {{1}, {1}}), Status::kInvalidArgument);
  EXPECT_EQ(begin(kNew, {{1}}, Fresh()), Status::kBusy);
}

TEST(Rollout, AbortIsRefusedOncePromoted) {
  Rollout rollout = Fresh();
  EXPECT_EQ(Abort(rollout, "operator")->phase, Phase::kRollingBack);
  rollout.phase = Phase::kPromoted;
  EXPECT_EQ(Abort(rollout, "operator").status(), Status::kRefused);
}

TEST(Rollout, AFailureOfAnEarlierRolloutDoesNotCount) {
  auto view = ViewOf({1, 2, 3});
  Actual stale = Runs(1, kOld, "could not");
  stale.rollout = "r0";
  std::map<NodeId, Actual> actuals{{1, stale}, {2, Runs(2, kOld)}, {3, Runs(3, kOld)}};
  EXPECT_FALSE(Next(Fresh(), view, actuals, 1));
  actuals[1].rollout = "r1";
  EXPECT_EQ(Next(Fresh(), view, actuals, 1)->phase, Phase::kRollingBack);
}

TEST(Rollout, RecordsSurviveTheirEncoding) {
  Rollout rollout = Fresh();
  rollout.phase = Phase::kRollingBack;
  rollout.reason = "node 2: why";
  EXPECT_EQ(DecodeRollout(Encode(rollout)).value(), rollout);
  Actual actual = Runs(2, kNew, "no");
  EXPECT_EQ(DecodeActual(Encode(actual)).value(), actual);
  Committed committed{{{kClass, {kNew, {3, "beef"}}}}};
  EXPECT_EQ(DecodeCommitted(Encode(committed)).value(), committed);
  for (const char* bad :
       {"", "{", "[]", "{\"id\":3}", "{\"classes\":{\"a\":{\"version\":\"x\"}}}"}) {
    EXPECT_EQ(DecodeRollout(bad).status(), Status::kCorrupt);
    EXPECT_EQ(DecodeCommitted(bad).status(), Status::kCorrupt);
    EXPECT_EQ(DecodeActual(bad).status(), Status::kCorrupt);
  }
}

// Nodes that crash, restart, converge late or fail; two orchestrators that act on records they read
// earlier, through compare-and-swap. Whatever the schedule: every end is all-old or all-new, and
// nothing that was promoted is ever taken back.
TEST(Rollout, SeededSchedules) {
  for (unsigned seed = 1; seed <= 10000; seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    unsigned count = 2 + random() % 4;
    view::View view;
    for (NodeId node = 1; node <= count; node++) view = view.With({node, 100 + node, ""});
    Rollout record = Fresh({{1}, {2}, {3, 4, 5}}, random() % 20);
    std::uint64_t revision = 1, now = 1;
    struct Reader {
      Rollout record;
      std::uint64_t revision;
    } reader[2] = {{record, 1}, {record, 1}};
    std::map<NodeId, Actual> actuals;
    std::map<NodeId, Release> runs;
    bool may_fail = random() % 4 == 0, promoted = false;
    for (int step = 0; step < 5000 && !record.Ended(); step++) {
      now += random() % 5;
      NodeId node = 1 + random() % count;
      view::Incarnation incarnation = view.Find(node)->incarnation;
      auto write = [&](const Rollout& next) {
        promoted |= next.phase == Phase::kPromoted;
        record = next;
        revision++;
      };
      switch (random() % 6) {
        case 0: {  // a node looks at the record and converges, or fails once
          Release desired = DesiredFor(record, node);
          std::string failed;
          if (may_fail && desired == kNew && random() % 50 == 0)
            failed = "self-test";
          else
            runs[node] = desired;
          if (!runs.contains(node))
            runs[node] = kOld;
          actuals[node] = {node, incarnation, {{kClass, runs[node]}}, failed, "r1"};
          break;
        }
        case 1:  // restart: a new incarnation, back to what the kernel was built with
          if (random() % 20 == 0) {
            view = view.With({node, 1000 + revision * 100 + now, ""});
            runs[node] = kOld;
          }
          break;
        case 2:
          if (random() % 200 == 0) {
            auto aborted = Abort(record, "operator");
            if (aborted.ok())
              write(aborted.value());
          }
          break;
        default: {  // an orchestrator reads or acts on what it read
          Reader& mine = reader[random() % 2];
          if (random() % 2) {
            mine = {record, revision};
          } else if (auto next = Next(mine.record, view, actuals, now)) {
            if (mine.revision == revision)
              write(*next);
          }
        }
      }
    }
    ASSERT_TRUE(record.Ended());
    ASSERT_EQ(promoted, record.phase == Phase::kPromoted);
    Release final = record.phase == Phase::kPromoted ? kNew : kOld;
    for (NodeId node = 1; node <= count; node++) ASSERT_EQ(DesiredFor(record, node), final);
  }
}

// What a kernel says of itself goes into the store, whatever bytes it is.
TEST(Records, BytesThatAreNoTextAreKeptReadable) {
  const Actual actual{3, 30, {{"class\xff", {1, ""}}}, "cannot \xc3", "id"};
  const auto read = DecodeActual(Encode(actual));
  ASSERT_TRUE(read.ok()) << read.detail();
  EXPECT_EQ(read->failed, "cannot \ufffd");
  EXPECT_TRUE(read->classes.contains("class\ufffd"));
}

}  // namespace
}  // namespace k42::upgrade
