// GenerationCounter: which threads of one CPU may still hold what they read earlier.
//
// A thread that becomes active counts itself into the current generation n, and out of that same
// one when it ends its activity. Threads are active in generations n and n - 1 only: the generation
// advances from n to n + 1 when n - 1 has nobody left. So whoever reads n at some moment and later
// sees n + 2 knows that every thread active at that moment has since become inactive:
//   n -> n + 1 needed the threads of n - 1 to have left, n + 1 -> n + 2 those of n.
//
// Only the CPU's own threads use it, and they are cooperative: no atomic operation. `number` may be
// read from anywhere.
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::cobj {

class GenerationCounter {
 public:
  constexpr GenerationCounter() = default;

  std::uint64_t number() const { return number_.load(std::memory_order_relaxed); }
  // The number that proves a grace period from now on.
  std::uint64_t After() const { return number() + 2; }

  // Returns what to give to Leave.
  std::uint64_t Enter() {
    const std::uint64_t now = number();
    ++active_[now & 1];
    return now;
  }
  void Leave(std::uint64_t entered) { --active_[entered & 1]; }

  // True if the generation moved on.
  bool TryAdvance() {
    const std::uint64_t now = number();
    if (active_[(now + 1) & 1] != 0)  // the same count as that of now - 1
      return false;
    number_.store(now + 1, std::memory_order_relaxed);
    return true;
  }
  std::uint32_t active() const { return active_[0] + active_[1]; }

 private:
  std::atomic<std::uint64_t> number_{1};
  std::uint32_t active_[2] = {0, 0};
};

}  // namespace k42::cobj
