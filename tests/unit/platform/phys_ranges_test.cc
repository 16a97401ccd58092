#include "platform/x86_64/shared/phys_ranges.h"

#include <gtest/gtest.h>

#include <vector>

namespace k42::machine {
namespace {

std::vector<PhysRange> List(const PhysRanges& ranges) {
  return {ranges.ranges().begin(), ranges.ranges().end()};
}

TEST(PhysRanges, AddMergesWhatTouches) {
  PhysRanges ranges;
  EXPECT_EQ(ranges.Add({0x5000, 0x6000}), Status::kOk);
  EXPECT_EQ(ranges.Add({0x1000, 0x2000}), Status::kOk);
  EXPECT_EQ(ranges.Add({0x2000, 0x3000}), Status::kOk);
  EXPECT_EQ(List(ranges), (std::vector<PhysRange>{{0x1000, 0x3000}, {0x5000, 0x6000}}));
  EXPECT_EQ(ranges.Add({0x2800, 0x5800}), Status::kOk);
  EXPECT_EQ(List(ranges), (std::vector<PhysRange>{{0x1000, 0x6000}}));
  EXPECT_EQ(ranges.TotalSize(), 0x5000u);
}

TEST(PhysRanges, EmptyAndInvertedAreIgnored) {
  PhysRanges ranges;
  EXPECT_EQ(ranges.Add({5, 5}), Status::kOk);
  EXPECT_EQ(ranges.Add({~0ull - 10, 5}), Status::kOk);
  EXPECT_TRUE(ranges.ranges().empty());
}

TEST(PhysRanges, SubtractCutsAndSplits) {
  PhysRanges ranges;
  EXPECT_EQ(ranges.Add({0x1000, 0x9000}), Status::kOk);
  EXPECT_EQ(ranges.Subtract({0x3000, 0x4000}), Status::kOk);
  EXPECT_EQ(ranges.Subtract({0x0, 0x2000}), Status::kOk);
  EXPECT_EQ(ranges.Subtract({0x8000, 0xf000}), Status::kOk);
  EXPECT_EQ(List(ranges), (std::vector<PhysRange>{{0x2000, 0x3000}, {0x4000, 0x8000}}));
  EXPECT_EQ(ranges.Subtract({0x0, ~0ull}), Status::kOk);
  EXPECT_TRUE(ranges.ranges().empty());
}

TEST(PhysRanges, TrimToPagesDropsFragments) {
  PhysRanges ranges;
  EXPECT_EQ(ranges.Add({0x1001, 0x3fff}), Status::kOk);
  EXPECT_EQ(ranges.Add({0x5001, 0x5fff}), Status::kOk);
  ranges.TrimToPages();
  EXPECT_EQ(List(ranges), (std::vector<PhysRange>{{0x2000, 0x3000}}));
}

TEST(PhysRanges, FullListSaysSo) {
  PhysRanges ranges;
  for (PhysAddr i = 0; i < PhysRanges::kCapacity; ++i) {
    EXPECT_EQ(ranges.Add({i * 0x2000, i * 0x2000 + 0x1000}), Status::kOk);
  }
  EXPECT_EQ(ranges.Add({0x1000'0000, 0x1000'1000}), Status::kNoSpace);
  EXPECT_EQ(ranges.Subtract({0x100, 0x200}), Status::kNoSpace);
}

}  // namespace
}  // namespace k42::machine
