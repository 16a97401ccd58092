// The scheduler's knobs, and what a dispatcher may ask for.
#pragma once

#include <cstdint>

#include "sched/share.h"

namespace k42::sched {

// A band goes before all later ones, always. Within a band, shares decide.
enum class Band : std::uint8_t {
  kRealtime = 0,  // granted to effective user 0 only
  kNormal = 1,
  kBackground = 2,  // runs when nothing else does
};
inline constexpr std::uint32_t kBands = 3;

inline constexpr std::uint64_t kQuantum =
    10'000'000;  // ns, at kNormalWeight, before a competitor's turn
inline constexpr std::uint64_t kQuantumMin = 100'000;
inline constexpr std::uint64_t kQuantumMax = 40'000'000;
// From the soft preemption (kEventPreempt) to the hard one.
inline constexpr std::uint64_t kPreemptGrace = 300'000;
// A woken dispatcher takes the CPU at once if it has had less than the running one by this much.
inline constexpr std::uint64_t kWakeMargin = 1'000'000;

inline constexpr std::uint32_t kWeightMax = 1u << 20;

struct Parameters {
  Band band = Band::kNormal;
  std::int32_t nice = 0;
  std::uint64_t quantum_ns = kQuantum;
  std::uint64_t cpus = ~std::uint64_t{0};
  std::uint32_t weight = 0;  // 0: as nice says
};

constexpr bool IsValid(const Parameters& p) {
  return static_cast<std::uint32_t>(p.band) < kBands && p.nice >= -20 && p.nice <= 19 &&
         p.quantum_ns >= kQuantumMin && p.quantum_ns <= kQuantumMax && p.cpus != 0 &&
         p.weight <= kWeightMax;
}

}  // namespace k42::sched
