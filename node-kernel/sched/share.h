// Shares: who among equals has had least of the CPU lately.
//
// A dispatcher's *usage* is CPU time divided by its weight, halved at every epoch boundary
// (kHalfLife), so that what happened long ago counts for nothing: a decaying proportional share,
// deterministic (K42's, not a lottery). Halving is the same for all, hence the order of two usages
// changes only when one of them is charged: run queues stay sorted by themselves.
//
// A Usage is a pair (amount, epoch of that amount). Plain values; the scheduler of one CPU owns
// those of its dispatchers.
#pragma once

#include <compare>
#include <cstdint>

namespace k42::sched {

inline constexpr std::uint64_t kHalfLife = 64'000'000;  // ns
inline constexpr std::uint32_t kNormalWeight = 1024;

constexpr std::uint64_t EpochOf(std::uint64_t now_ns) {
  return now_ns / kHalfLife;
}

class Usage {
 public:
  constexpr Usage() = default;

  // `ran_ns` of CPU time, ended at `now_ns`. Precondition: weight > 0, time does not go back.
  constexpr void Charge(std::uint64_t ran_ns, std::uint32_t weight, std::uint64_t now_ns) {
    const std::uint64_t epoch = EpochOf(now_ns);
    amount_ = At(epoch) + ran_ns * kNormalWeight / weight;
    epoch_ = epoch;
  }

  // What the usage has decayed to. Precondition: epoch >= that of the last charge.
  constexpr std::uint64_t At(std::uint64_t epoch) const {
    const std::uint64_t halvings = epoch - epoch_;
    return halvings < 64 ? amount_ >> halvings : 0;
  }

  // Less has precedence.
  friend constexpr bool operator<(const Usage& a, const Usage& b) {
    const std::uint64_t epoch = a.epoch_ > b.epoch_ ? a.epoch_ : b.epoch_;
    return a.At(epoch) < b.At(epoch);
  }

 private:
  std::uint64_t amount_ = 0;  // ns at kNormalWeight
  std::uint64_t epoch_ = 0;
};

// How long one turn is: by weight, so that a turn adds as much to the usage of each, and equals in
// usage take turns. (Turns of one length would favour the light ones: an epoch's end halves what a
// heavy one is behind, and it takes several turns to catch up.)
constexpr std::uint64_t SliceOf(std::uint64_t quantum_ns, std::uint32_t weight, std::uint64_t least,
                                std::uint64_t most) {
  const std::uint64_t slice = quantum_ns * weight / kNormalWeight;
  return slice < least ? least : slice > most ? most : slice;
}

// Weight of a nice value, -20..19: each step is a factor of about 1.25, 0 is kNormalWeight.
constexpr std::uint32_t WeightOf(std::int32_t nice) {
  std::uint64_t weight = kNormalWeight;
  for (; nice < 0; ++nice) weight = weight * 5 / 4;
  for (; nice > 0; --nice) weight = weight * 4 / 5;
  return weight < 1 ? 1 : static_cast<std::uint32_t>(weight);
}

}  // namespace k42::sched
