// CountDown: of several CPUs that each finish something, the last one learns that it was the last;
// what the others did before, it sees.
//
// Who adds to a count that runs down already must have a part of it left himself.
// `Atomic` is a parameter for the interleaving tests (tests/unit/cobj/swap_model_test.cc).
#pragma once

#include <atomic>
#include <cstdint>

namespace k42::cobj {

template <template <typename> typename Atomic = std::atomic>
class BasicCountDown {
 public:
  explicit constexpr BasicCountDown(std::uint32_t count = 0) : count_(count) {}

  // Before anybody else knows of it; the last round is over.
  void Start(std::uint32_t count) { count_.store(count, std::memory_order_relaxed); }
  void Add() { count_.fetch_add(1, std::memory_order_relaxed); }
  // True: it was the last.
  [[nodiscard]] bool Down() { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  bool over() const { return count_.load(std::memory_order_acquire) == 0; }

 private:
  Atomic<std::uint32_t> count_;
};

using CountDown = BasicCountDown<>;

}  // namespace k42::cobj
