#include "sched/cpu_account.h"

#include <gtest/gtest.h>

#include <thread>

namespace k42::sched {
namespace {

TEST(CpuAccount, CountsToTheMoment) {
  CpuAccount account;
  EXPECT_EQ(account.Ns(100), 0u);
  account.Run(100);
  EXPECT_EQ(account.Ns(130), 30u);
  EXPECT_EQ(account.charged_ns(), 0u);
  account.Charge(40, 140);
  EXPECT_EQ(account.Ns(150), 50u);
  account.Charge(20, 160);
  account.Stop();
  EXPECT_EQ(account.Ns(500), 60u);
  account.Add(5);
  EXPECT_EQ(account.Ns(500), 65u);
  account.Run(600);
  EXPECT_EQ(account.Ns(590), 65u);  // the reader's clock was read before
  account.Add(7);  // while it runs, too
  EXPECT_EQ(account.Ns(610), 82u);
  account.Stop();
  account.Clear();
  EXPECT_EQ(account.Ns(700), 0u);
}

// A server's client may have been charged more than the machine has been up.
TEST(CpuAccount, ChargedMoreThanTheClock) {
  CpuAccount account;
  account.Add(1000);
  account.Run(10);
  EXPECT_EQ(account.Ns(15), 1005u);
  EXPECT_EQ(account.Ns(5), 1000u);
}

// Whoever reads while it is charged sees every nanosecond once: what has run is the clock.
TEST(CpuAccount, ReadersSeeWholeStates) {
  constexpr std::uint64_t kEnd = 1'000'000;
  CpuAccount account;
  account.Run(1);
  std::thread writer([&] {
    for (std::uint64_t now = 2; now <= kEnd; ++now) account.Charge(1, now);
  });
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(account.Ns(kEnd), kEnd - 1);
  writer.join();
  EXPECT_EQ(account.charged_ns(), kEnd - 1);
}

}  // namespace
}  // namespace k42::sched
