#include "proc/load_average.h"

#include <gtest/gtest.h>

namespace k42::proc {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

double Of(const LoadAverage& load, std::uint32_t which) {
  return static_cast<double>(load.average(which)) / 65536;
}

TEST(LoadAverage, StartsAtNothingAndIgnoresShortTimes) {
  LoadAverage load;
  load.Update(kSecond, kSecond, 5);
  EXPECT_EQ(load.average(0), 0u);
}

TEST(LoadAverage, ComesToWhatGoesOn) {
  LoadAverage load;
  for (std::uint64_t second = 5; second <= 3600; second += 5)
    load.Update(second * kSecond, second * 2 * kSecond, 1);  // two CPUs busy, and one waits
  EXPECT_NEAR(Of(load, 0), 3, 0.01);
  EXPECT_NEAR(Of(load, 1), 3, 0.01);
  EXPECT_NEAR(Of(load, 2), 3, 0.1);
}

TEST(LoadAverage, HowOftenSomebodyLooksIsNoMatter) {
  LoadAverage often, seldom;
  for (std::uint64_t second = 5; second <= 600; second += 5)
    often.Update(second * kSecond, second * kSecond, 0);
  for (std::uint64_t second = 60; second <= 600; second += 60)
    seldom.Update(second * kSecond, second * kSecond, 0);
  for (std::uint32_t which = 0; which < 3; ++which)
    EXPECT_NEAR(Of(often, which), Of(seldom, which), 0.01);
  EXPECT_GT(often.average(0), often.average(1));
  EXPECT_GT(often.average(1), often.average(2));
}

TEST(LoadAverage, Fades) {
  LoadAverage load;
  load.Update(600 * kSecond, 600 * kSecond, 0);
  const double before = Of(load, 0);
  load.Update(660 * kSecond, 600 * kSecond, 0);
  EXPECT_NEAR(Of(load, 0), before / 2.718, 0.01);
  load.Update(std::uint64_t{400} * 24 * 3600 * kSecond, 600 * kSecond, 0);
  EXPECT_EQ(load.average(0), 0u);
}

}  // namespace
}  // namespace k42::proc
