// Before a loop that has nothing to do sleeps: does it look on for a moment?
//
// A wake costs the host some ten microseconds, and the one who wakes us a call of its kernel. While
// work comes in closer succession than that (a stream of puts), looking on is cheaper than
// sleeping; when it comes seldom, as in a round trip between sleeping nodes, looking on takes the
// CPU from whoever is to give us work. So: look on if the last sleep was shorter than that would
// have been.
#pragma once

#include <cstdint>

namespace k42::noded {

class Linger {
 public:
  static constexpr std::uint64_t kMostNs = 50'000;

  // How long to look on now; 0: sleep at once.
  std::uint64_t ns() const { return pays_ ? kMostNs : 0; }
  // After a sleep, and how long it was.
  void Slept(std::uint64_t ns) { pays_ = ns < kMostNs; }

 private:
  bool pays_ = false;
};

}  // namespace k42::noded
