// LoadAverage: how many dispatchers wanted to run, over the last 1, 5 and 15 minutes, older times
// counting less and less.
//
// Nobody looks at the queues at intervals: an idle node would never sleep. Whoever asks brings the
// averages up to the moment: by the CPU time used since the last look, and by those that wait now.
// Locking: the owner's.
#pragma once

#include <cstdint>

namespace k42::proc {

class LoadAverage {
 public:
  static constexpr std::uint64_t kStepNs = 5'000'000'000;

  // `busy_ns`: used by all CPUs together until `now_ns`.
  void Update(std::uint64_t now_ns, std::uint64_t busy_ns, std::uint64_t waiting) {
    // Who asks reads the clock before it takes its turn here: another's may have been later.
    const std::uint64_t elapsed = now_ns > last_ns_ ? now_ns - last_ns_ : 0;
    const std::uint64_t steps = elapsed / kStepNs;
    if (steps == 0)
      return;
    // Milliseconds, so that nothing is lost above.
    const std::uint64_t used_ms =
        busy_ns > last_busy_ns_ ? (busy_ns - last_busy_ns_) / 1'000'000 : 0;
    const std::uint64_t rate = used_ms * kOne / (elapsed / 1'000'000) + waiting * kOne;
    for (std::uint32_t i = 0; i < 3; ++i) {
      const std::uint64_t kept = Power(kDecay[i], steps);
      averages_[i] = (averages_[i] * kept + rate * (kOne - kept)) / kOne;
    }
    last_ns_ = now_ns;
    last_busy_ns_ = busy_ns;
  }

  // It has looked later.
  bool IsNewerThan(const LoadAverage& other) const { return last_ns_ > other.last_ns_; }

  // In 1/65536; of 1, 5 and 15 minutes.
  std::uint64_t average(std::uint32_t which) const { return averages_[which]; }

 private:
  static constexpr std::uint64_t kOne = 65536;
  // exp(-5 s / 1, 5, 15 min).
  static constexpr std::uint64_t kDecay[3] = {60296, 64453, 65173};

  static constexpr std::uint64_t Power(std::uint64_t base, std::uint64_t exponent) {
    std::uint64_t result = kOne;
    for (; exponent != 0; exponent >>= 1, base = base * base / kOne) {
      if ((exponent & 1) != 0)
        result = result * base / kOne;
    }
    return result;
  }

  std::uint64_t last_ns_ = 0;
  std::uint64_t last_busy_ns_ = 0;
  std::uint64_t averages_[3] = {};
};

}  // namespace k42::proc
