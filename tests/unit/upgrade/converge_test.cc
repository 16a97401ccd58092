#include "cluster-services/upgrade/converge.h"

#include <gtest/gtest.h>

#include <random>

namespace k42::upgrade {
namespace {

const Release kTwo{2, "aa"}, kThree{3, "bb"}, kOtherTwo{2, "cc"};

TEST(Converge, OneStepAtATime) {
  using Kind = KernelStep::Kind;
  const auto step = [](Path present, Path desired) {
    return NextStep({"C", 1, present, 0, 0}, desired);
  };
  EXPECT_EQ(step({}, {}).kind, Kind::kNone);
  EXPECT_EQ(step({kTwo}, {kTwo}).kind, Kind::kNone);
  EXPECT_EQ(step({}, {kTwo, kThree}).to, kTwo);
  EXPECT_EQ(step({kTwo}, {kTwo, kThree}).to, kThree);
  EXPECT_EQ(step({kTwo}, {}).kind, Kind::kBack);
  EXPECT_EQ(step({kTwo}, {}).to, (Release{1, ""}));
  EXPECT_EQ(step({kTwo, kThree}, {}).to, kTwo);
  // Another module of the same version: back first.
  EXPECT_EQ(step({kTwo}, {kOtherTwo}).kind, Kind::kBack);
}

TEST(Converge, PathsFollowRollouts) {
  Committed committed;
  EXPECT_EQ(committed.ReleaseOf("C", {1, ""}), (Release{1, ""}));
  EXPECT_EQ(Towards({}, kTwo), Path{kTwo});
  EXPECT_EQ(Towards({kTwo}, kThree), (Path{kTwo, kThree}));
  EXPECT_EQ(Towards({kTwo, kThree}, kTwo), Path{kTwo});
  EXPECT_EQ(Towards({kTwo}, {1, ""}), Path{});
  const Release back{1, "dd"};  // a module may lead back, too
  EXPECT_EQ(Towards({kTwo}, back), (Path{kTwo, back}));

  committed.classes["C"] = {kTwo};
  EXPECT_EQ(DesiredPath(committed, std::nullopt, "C", 1), Path{kTwo});
  EXPECT_EQ(DesiredPath(committed, std::nullopt, "D", 1), Path{});
  auto rollout = Begin("r", "C", kThree, committed, {1, ""}, {{1}, {2}}, 0, std::nullopt).value();
  EXPECT_EQ(DesiredPath(committed, rollout, "C", 1), (Path{kTwo, kThree}));
  EXPECT_EQ(DesiredPath(committed, rollout, "C", 2), Path{kTwo});
  EXPECT_EQ(DesiredPath(committed, rollout, "D", 1), Path{});
  rollout.phase = Phase::kRollingBack;
  EXPECT_EQ(DesiredPath(committed, rollout, "C", 1), Path{kTwo});
  rollout.phase = Phase::kPromoted;
  EXPECT_EQ(DesiredPath(After(committed, rollout), rollout, "C", 2), (Path{kTwo, kThree}));
  rollout.to = {1, ""};  // all the way back: as built, and nothing is said of it
  EXPECT_EQ(After(committed, rollout), Committed());
}

// From anywhere to anywhere, in as many steps as the two ways differ.
TEST(Converge, SeededWalks) {
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    const auto path = [&] {
      Path made;
      for (std::uint32_t i = 0; i < random() % 4; ++i)
        made.push_back({2 + i, std::string(1, static_cast<char>('a' + random() % 2))});
      return made;
    };
    KernelClass kernel{"C", 1, path(), 0, 0};
    const Path desired = path();
    int steps = 0;
    for (KernelStep step; (step = NextStep(kernel, desired)).kind != KernelStep::Kind::kNone;
         ++steps) {
      ASSERT_LT(steps, 8);
      if (step.kind == KernelStep::Kind::kBack)
        kernel.path.pop_back();
      else
        kernel.path.push_back(step.to);
      ASSERT_EQ(kernel.Present(), step.to);
    }
    ASSERT_EQ(kernel.path, desired);
  }
}

}  // namespace
}  // namespace k42::upgrade
