// When the loop sleeps, and when it looks on.
#include "cluster-services/noded/event_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace k42::noded {
namespace {

unsigned ShortSleepsUntilItPays(Linger& linger) {
  unsigned count = 0;
  for (; linger.ns() == 0 && count < 10'000; ++count) linger.Slept(Linger::kShortNs - 1);
  return count;
}

TEST(Linger, PaysAfterShortSleepsAndLessOftenWhenItIsInVain) {
  Linger linger;
  EXPECT_EQ(ShortSleepsUntilItPays(linger), Linger::kFewest);
  linger.Found();
  EXPECT_EQ(linger.ns(), Linger::kMostNs);
  linger.InVain();
  EXPECT_EQ(ShortSleepsUntilItPays(linger), 2 * Linger::kFewest);
  for (int i = 0; i < 20; ++i) {
    linger.InVain();
    EXPECT_EQ(linger.ns(), 0u);
  }
  EXPECT_EQ(ShortSleepsUntilItPays(linger), Linger::kMost);
  linger.Found();
  linger.InVain();
  EXPECT_EQ(ShortSleepsUntilItPays(linger), 2 * Linger::kFewest);
}

// As between two nodes that ask and answer: there is a long sleep in each round trip.
TEST(Linger, NeverPaysWhereSleepsAreLong) {
  Linger linger;
  for (unsigned i = 0; i < 3 * Linger::kFewest; ++i) {
    linger.Slept(i % 2 == 0 ? Linger::kShortNs - 1 : Linger::kShortNs);
    EXPECT_EQ(linger.ns(), 0u);
  }
}

// Runs a loop that is woken at once by a descriptor `short_sleeps` times, and whose work after that
// comes when it has looked once in vain. How often it has armed itself until that work was done.
unsigned SleepsUntilWork(unsigned short_sleeps) {
  EventLoop loop;
  interconnect::UniqueFd bell(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  loop.Watch(bell.get(), EPOLLIN, [](std::uint32_t) {});  // it rings on
  unsigned sleeps = 0, looks = 0;
  loop.Run(
      [&]() -> std::size_t {
        if (sleeps < short_sleeps || ++looks != 2)
          return 0;
        loop.Stop();
        return 1;
      },
      [&] {
        ++sleeps;
        return 20;
      });
  return sleeps;
}

// On a busy machine a sleep may be long that was meant to be short.
TEST(EventLoop, LooksOnAfterShortSleeps) {
  unsigned least = ~0u;
  for (int i = 0; i < 200 && least != Linger::kFewest; ++i)
    least = std::min(least, SleepsUntilWork(Linger::kFewest));
  EXPECT_EQ(least, Linger::kFewest);
}

TEST(EventLoop, SleepsAtOnceBefore) {
  EXPECT_GT(SleepsUntilWork(Linger::kFewest - 1), Linger::kFewest - 1);
}

}  // namespace
}  // namespace k42::noded
