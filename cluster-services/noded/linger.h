// Before a loop that has nothing to do sleeps: does it look on for a moment?
//
// A wake costs the host some ten microseconds, and the one who wakes us a call of its kernel. While
// work comes in closer succession than that (a stream of puts), looking on is cheaper than
// sleeping; where it comes seldom, as in a round trip between sleeping nodes, looking on takes the
// CPU from whoever is to give us work. So: look on after some short sleeps in a row. When it was in
// vain (that one may be on our CPU) twice as many are wanted before the next time.
//
// Without sched_yield: on a busy machine that gives a whole slice away, of milliseconds.
#pragma once

#include <algorithm>
#include <cstdint>

namespace k42::noded {

class Linger {
 public:
  static constexpr std::uint64_t kMostNs = 30'000;
  static constexpr std::uint64_t kShortNs = 50'000;  // of a sleep, its wake included
  static constexpr unsigned kFewest = 2;             // a round trip has a long one in each
  static constexpr unsigned kMost = 16;

  // How long to look on now; 0: sleep at once.
  std::uint64_t ns() const { return short_sleeps_ >= wanted_ ? kMostNs : 0; }
  void Found() { wanted_ = kFewest; }
  void InVain() {
    short_sleeps_ = 0;
    wanted_ = std::min(2 * wanted_, kMost);
  }
  // After a sleep, and how long it was.
  void Slept(std::uint64_t ns) { short_sleeps_ = ns < kShortNs ? short_sleeps_ + 1 : 0; }

 private:
  unsigned short_sleeps_ = 0;
  unsigned wanted_ = kFewest;  // short sleeps in a row
};

}  // namespace k42::noded
