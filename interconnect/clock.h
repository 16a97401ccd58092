// Time as the transports see it: the monotonic clock, or in tests one that moves when told.
#pragma once

#include <time.h>

#include <cstdint>

namespace k42::interconnect {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::uint64_t NowNs() const = 0;
};

class MonotonicClock final : public Clock {
 public:
  std::uint64_t NowNs() const override {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
  }
};

class ManualClock final : public Clock {
 public:
  std::uint64_t NowNs() const override { return now_; }
  void Advance(std::uint64_t ns) { now_ += ns; }

 private:
  std::uint64_t now_ = 1'000'000'000;
};

}  // namespace k42::interconnect
