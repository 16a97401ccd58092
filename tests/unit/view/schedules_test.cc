// Seeded schedules of a whole cluster's membership in one process: ten thousand in the long form.
#include <gtest/gtest.h>

#include <cstdlib>

#include "unit/view/sim_cluster.h"

namespace k42::view::testing {
namespace {

// K42_SCHEDULES=10000 for the long form, K42_SEED=N for one schedule alone.
std::uint64_t FromEnvironment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// Sanitized code is slower by an order of magnitude.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSchedules = 200;
#else
constexpr std::uint64_t kSchedules = 2000;
#endif

void BreakSomething(SimCluster& cluster) {
  auto& nodes = cluster.nodes();
  SimCluster::Node& node = *nodes[cluster.Below(nodes.size())];
  switch (cluster.Below(10)) {
    case 0:
      cluster.KillProcess(node);
      break;
    case 1:
    case 2:
      if (node.machine == nullptr)
        cluster.StartProcess(node, cluster.Below(2) == 0);
      break;
    case 3:
      if (node.machine != nullptr) {  // the daemon alone: the next one goes on with its life
        cluster.KillProcess(node);
        cluster.StartProcess(node, true);
      }
      break;
    case 4:
      cluster.Pause(node);
      break;
    case 5:
      cluster.Resume(node);
      break;
    case 6:
      node.cut = true;
      break;
    case 7:
      node.cut = false;
      break;
    case 8:
      cluster.store().LeaderChange(cluster.now(),
                                   static_cast<SimTime>(cluster.Below(20'000)) * kMs);
      break;
    case 9:
      cluster.store().StandStill(cluster.now(), static_cast<SimTime>(cluster.Below(20'000)) * kMs);
      break;
  }
}

// The end of a schedule: everything healed, time to settle, then all must agree.
std::string Settle(SimCluster& cluster) {
  cluster.loss_per_cent = 0;
  cluster.longest_delay = 20 * kMs;
  for (auto& node : cluster.nodes()) {
    node->cut = false;
    cluster.Resume(*node);
  }
  cluster.RunUntil(cluster.now() + 45'000 * kMs);
  if (!cluster.failure().empty())
    return cluster.failure();
  const store::KeyValue* pair = cluster.store().Find(ViewKey(SimCluster::kName));
  if (pair == nullptr)
    return "no view was ever made";
  const View view = DecodeView(pair->value, pair->modified).value();
  std::set<NodeId> alive;
  for (auto& node : cluster.nodes()) {
    if (node->machine == nullptr)
      continue;
    alive.insert(node->id);
    if (!node->machine->member())
      continue;
    if (!view.Contains(node->id, node->machine->incarnation()))
      return "a node thinks it is a member and is not";
    if (node->installed != view.epoch)
      return "node " + std::to_string(node->id) + " has not installed the last view";
    if (!cluster.HasAuthority(*node))
      return "node " + std::to_string(node->id) + " has no authority though all is well";
  }
  for (NodeId id : alive) {
    if (view.Find(id) == nullptr)
      return "node " + std::to_string(id) + " lives and is no member";
  }
  for (const Member& member : view.members) {
    if (!alive.contains(member.node))
      return "node " + std::to_string(member.node) + " is dead and still a member";
  }
  return "";
}

std::string RunSchedule(std::uint64_t seed) {
  SimCluster cluster(seed);
  const std::uint64_t count = 2 + cluster.Below(4);
  for (NodeId id = 1; id <= count; ++id) cluster.AddNode(id, "seat" + std::to_string(id));
  if (cluster.Below(4) == 0)
    cluster.AddNode(1, "impostor");
  cluster.longest_delay = static_cast<SimTime>(1 + cluster.Below(400)) * kMs;
  cluster.loss_per_cent = static_cast<unsigned>(cluster.Below(15));
  for (auto& node : cluster.nodes()) cluster.StartProcess(*node);
  const std::uint64_t steps = cluster.Below(12);
  for (std::uint64_t i = 0; i < steps && cluster.failure().empty(); ++i) {
    cluster.RunUntil(cluster.now() + static_cast<SimTime>(cluster.Below(8000)) * kMs);
    BreakSomething(cluster);
  }
  // Somebody must be there to remove the dead.
  if (cluster.nodes()[0]->machine == nullptr)
    cluster.StartProcess(*cluster.nodes()[0]);
  return cluster.failure().empty() ? Settle(cluster) : cluster.failure();
}

TEST(Schedules, HoldTheInvariantsAndSettle) {
  if (std::getenv("K42_SEED") != nullptr) {
    EXPECT_EQ(RunSchedule(FromEnvironment("K42_SEED", 0)), "");
    return;
  }
  const std::uint64_t count = FromEnvironment("K42_SCHEDULES", kSchedules);
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    ASSERT_EQ(RunSchedule(seed), "") << "replay with K42_SEED=" << seed;
  }
}

// Nobody is dead, the store only stands still for up to twenty seconds, once or again and again:
// the view stays as it is, byte for byte, and all have authority again.
std::string StoreStandsStill(std::uint64_t seed) {
  SimCluster cluster(seed);
  const std::uint64_t count = 2 + cluster.Below(4);
  for (NodeId id = 1; id <= count; ++id) cluster.AddNode(id, "seat" + std::to_string(id));
  cluster.longest_delay = static_cast<SimTime>(1 + cluster.Below(400)) * kMs;
  for (auto& node : cluster.nodes()) cluster.StartProcess(*node);
  cluster.RunUntil((15'000 + static_cast<SimTime>(cluster.Below(5000))) * kMs);
  const View before = cluster.nodes()[0]->machine->installed();
  if (before.members.size() != count)
    return "not all have joined";
  const std::uint64_t times = 1 + cluster.Below(3);
  for (std::uint64_t i = 0; i < times; ++i) {
    const SimTime length = static_cast<SimTime>(cluster.Below(20'001)) * kMs;
    if (cluster.Below(4) == 0)
      cluster.store().LeaderChange(cluster.now(), length);
    else
      cluster.store().StandStill(cluster.now(), length);
    cluster.RunUntil(cluster.now() + length +
                     static_cast<SimTime>(1000 + cluster.Below(15'000)) * kMs);
  }
  cluster.RunUntil(cluster.now() + 20'000 * kMs);
  if (!cluster.failure().empty())
    return cluster.failure();
  for (auto& node : cluster.nodes()) {
    const std::string name = "node " + std::to_string(node->id);
    if (node->machine->installed() != before)
      return name + " has another view";
    if (!cluster.HasAuthority(*node))
      return name + " has no authority again";
  }
  return "";
}

TEST(Schedules, AStoreThatStandsStillChangesNoView) {
  if (std::getenv("K42_SEED") != nullptr) {
    EXPECT_EQ(StoreStandsStill(FromEnvironment("K42_SEED", 0)), "");
    return;
  }
  const std::uint64_t count = FromEnvironment("K42_SCHEDULES", kSchedules) / 2;
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    ASSERT_EQ(StoreStandsStill(seed), "") << "replay with K42_SEED=" << seed;
  }
}

}  // namespace
}  // namespace k42::view::testing
