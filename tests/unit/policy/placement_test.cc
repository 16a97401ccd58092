#include "global-policy/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace k42::policy {
namespace {

constexpr std::uint64_t kGiB = 1ull << 30;

std::vector<NodeModel> FourNodes() {
  return {
      {1, 4, 0, kGiB, true}, {2, 4, 0, kGiB, true}, {3, 4, 0, kGiB, true}, {4, 4, 0, kGiB, true}};
}

std::vector<std::uint32_t> Placed(Kind kind, std::vector<NodeModel> nodes, Request request) {
  std::vector<std::uint32_t> placement(request.processes);
  EXPECT_EQ(Place(kind, nodes, request, placement), Status::kOk);
  return placement;
}

TEST(Spread, TakesEqualNodesInTurn) {
  EXPECT_EQ(Placed(Kind::kSpread, FourNodes(), {.processes = 6}),
            (std::vector<std::uint32_t>{1, 2, 3, 4, 1, 2}));
}

TEST(Spread, AvoidsLoadPerCpuNotLoad) {
  std::vector<NodeModel> nodes = {{1, 2, 150, kGiB, true}, {2, 8, 300, kGiB, true}};
  EXPECT_EQ(Placed(Kind::kSpread, nodes, {.processes = 1})[0], 2u);
}

TEST(Spread, TakesSmallDifferencesForNoise) {
  std::vector<NodeModel> nodes = {{1, 1, 9, kGiB, true}, {2, 1, 0, kGiB, true}};
  EXPECT_EQ(Placed(Kind::kSpread, nodes, {.processes = 1})[0], 1u);
  nodes[0].runnable_x100 = 40;
  EXPECT_EQ(Placed(Kind::kSpread, nodes, {.processes = 1})[0], 2u);
}

TEST(Pack, FillsANodeBeforeTheNext) {
  EXPECT_EQ(Placed(Kind::kPack, FourNodes(), {.processes = 6}),
            (std::vector<std::uint32_t>{1, 1, 1, 1, 2, 2}));
}

TEST(Pack, StartsWithTheFullestNodeThatHasAFreeCpu) {
  std::vector<NodeModel> nodes = FourNodes();
  nodes[1].runnable_x100 = 400;  // full
  nodes[2].runnable_x100 = 210;
  EXPECT_EQ(Placed(Kind::kPack, nodes, {.processes = 3}), (std::vector<std::uint32_t>{3, 3, 1}));
}

TEST(Pack, FallsBackToTheLeastLoadedWhenNoCpuIsFree) {
  std::vector<NodeModel> nodes = {{1, 1, 300, kGiB, true}, {2, 1, 200, kGiB, true}};
  EXPECT_EQ(Placed(Kind::kPack, nodes, {.processes = 2}), (std::vector<std::uint32_t>{2, 1}));
}

TEST(Place, CountsMemoryAndWritesNothingOnFailure) {
  std::vector<NodeModel> nodes = FourNodes();
  std::vector<std::uint32_t> placement(9, 77);
  EXPECT_EQ(Spread(nodes, {.processes = 9, .memory_each = kGiB / 2}, placement), Status::kNoMemory);
  EXPECT_EQ(std::ranges::count(placement, 77u), 9);
  EXPECT_EQ(Spread(nodes, {.processes = 8, .memory_each = kGiB / 2}, placement), Status::kOk);
}

TEST(Place, RefusesWhatCannotBe) {
  std::vector<std::uint32_t> placement(1);
  std::vector<NodeModel> draining = {{1, 4, 0, kGiB, false}};
  EXPECT_EQ(Spread(draining, {.processes = 1}, placement), Status::kUnavailable);
  EXPECT_EQ(Spread({}, {.processes = 1}, placement), Status::kUnavailable);
  std::vector<NodeModel> nodes = FourNodes();
  EXPECT_EQ(Pack(nodes, {.processes = 2}, placement), Status::kInvalidArgument);
  EXPECT_EQ(Pack(nodes, {.processes = 0}, placement), Status::kInvalidArgument);
}

// Whatever the reports: same answer twice, only accepting nodes, memory never overcommitted, and
// Spread leaves no node more than one process per CPU-share above another it could have used.
TEST(Place, HoldsItsPromisesForRandomModels) {
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    auto below = [&random](std::uint32_t limit) -> std::uint32_t {
      return static_cast<std::uint32_t>(random() % limit);
    };
    std::vector<NodeModel> nodes(1 + below(8));
    for (std::uint32_t i = 0; i < nodes.size(); ++i)
      nodes[i] = {i + 1, below(9), below(900), below(64) * (kGiB / 16), below(5) != 0};
    const Request request{1 + below(20), below(3) * (kGiB / 8)};
    for (Kind kind : {Kind::kSpread, Kind::kPack}) {
      std::vector<NodeModel> first = nodes;
      std::vector<NodeModel> second = nodes;
      std::vector<std::uint32_t> placement(request.processes);
      std::vector<std::uint32_t> again(request.processes);
      const Status status = Place(kind, first, request, placement);
      EXPECT_EQ(status, Place(kind, second, request, again)) << "seed " << seed;
      EXPECT_EQ(placement, again) << "seed " << seed;
      if (status != Status::kOk)
        continue;
      for (const NodeModel& node : nodes) {
        const auto here = static_cast<std::uint64_t>(std::ranges::count(placement, node.node));
        EXPECT_LE(here * request.memory_each, node.memory_free) << "seed " << seed;
        if (!node.accepts || node.cpus == 0) {
          EXPECT_EQ(here, 0u) << "seed " << seed;
        }
      }
    }
  }
}

}  // namespace
}  // namespace k42::policy
