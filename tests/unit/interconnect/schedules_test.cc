// Thousands of seeded schedules of the loopback transport against the contract's model, and the
// same with a defect put in: each must be noticed. K42_SCHEDULES=10000 for the long form,
// K42_SEED=N for one schedule alone.
#include <gtest/gtest.h>

#include <cstdlib>

#include "unit/interconnect/fabric_schedule.h"

namespace k42::interconnect {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(FabricSchedules, TheContractHolds) {
  std::uint64_t first = FromEnvironment("K42_SEED", 1);
  std::uint64_t count =
      std::getenv("K42_SEED") != nullptr ? 1 : FromEnvironment("K42_SCHEDULES", 500);
  for (std::uint64_t seed = first; seed < first + count; ++seed)
    ASSERT_EQ(FabricSchedule(seed, Mutation::kNone).Run(), "") << "K42_SEED=" << seed;
}

// How many of a hundred schedules notice.
int Noticed(Mutation mutation) {
  int noticed = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed)
    noticed += FabricSchedule(seed, mutation).Run().empty() ? 0 : 1;
  return noticed;
}

TEST(FabricSchedules, WithoutTheFenceItIsNoticed) {
  EXPECT_GE(Noticed(Mutation::kNoFence), 10);
}
TEST(FabricSchedules, WithoutDeduplicationItIsNoticed) {
  EXPECT_GE(Noticed(Mutation::kNoDeduplication), 10);
}
TEST(FabricSchedules, APutInPlaceOfACompareAndSwapIsNoticed) {
  EXPECT_GE(Noticed(Mutation::kPutForSwap), 10);
}

}  // namespace
}  // namespace k42::interconnect
