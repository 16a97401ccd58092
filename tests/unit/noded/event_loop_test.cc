// When the loop sleeps, and when it looks on.
#include "cluster-services/noded/event_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace k42::noded {
namespace {

TEST(Linger, PaysWhileSleepsAreShort) {
  Linger linger;
  EXPECT_EQ(linger.ns(), 0u);
  linger.Slept(Linger::kMostNs - 1);
  EXPECT_EQ(linger.ns(), Linger::kMostNs);
  linger.Slept(Linger::kMostNs);
  EXPECT_EQ(linger.ns(), 0u);
}

// Runs a loop that is woken at once by a descriptor, and whose work after that comes when it has
// looked once in vain. How often it has armed itself to sleep until that work was done.
int SleepsUntilWork(bool woken_at_once) {
  EventLoop loop;
  interconnect::UniqueFd bell(eventfd(woken_at_once ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK));
  bool rung = false;
  loop.Watch(bell.get(), EPOLLIN, [&](std::uint32_t) {
    std::uint64_t count;
    EXPECT_EQ(read(bell.get(), &count, sizeof count), ssize_t{sizeof count});
    rung = true;
  });
  int sleeps = 0, looks = 0;
  loop.Run(
      [&]() -> std::size_t {
        if (!rung || ++looks != 2)
          return 0;
        loop.Stop();
        return 1;
      },
      [&] {
        rung |= ++sleeps == 2 && !woken_at_once;
        return 20;
      });
  return sleeps;
}

// On a busy machine a sleep may be long that was meant to be short.
TEST(EventLoop, LooksOnAfterAShortSleep) {
  int least = SleepsUntilWork(true);
  for (int i = 0; i < 200 && least != 1; ++i) least = std::min(least, SleepsUntilWork(true));
  EXPECT_EQ(least, 1);
}

TEST(EventLoop, SleepsAtOnceAfterALongOne) {
  EXPECT_GE(SleepsUntilWork(false), 3);
}

}  // namespace
}  // namespace k42::noded
