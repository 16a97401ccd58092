// Counters, shared and replicated: clustered objects for the tests of cobj, hosted and in guests.
#pragma once

#include <atomic>

#include "cobj/make.h"
#include "idl/counter.idl.h"

namespace k42::test {

// How many reps of either kind exist.
inline constinit std::atomic<std::int64_t> live_counters{0};

// The form counters hand over: a part is the sum of that CPU's rep.
inline constexpr std::uint32_t kCounterSum = 3;

class SharedCounter final : public idl::ICounter {
 public:
  using Interface = idl::ICounter;
  SharedCounter() { live_counters.fetch_add(1); }
  explicit SharedCounter(std::uint64_t start) : SharedCounter() { value_ = start; }
  ~SharedCounter() {
    live_counters.fetch_sub(1);
    value_ = kDead;
  }

  Result<std::uint64_t> Increment(std::uint64_t amount) override {
    return value_.fetch_add(amount, std::memory_order_relaxed) + amount;
  }
  Result<std::uint64_t> Value() override { return value_.load(std::memory_order_relaxed); }

  static constexpr cobj::TransferForms kExportForms = cobj::FormBit(kCounterSum);
  static constexpr cobj::TransferForms kImportForms = cobj::FormBit(kCounterSum);
  Status Export(const cobj::TransferStep& step) {
    step.part() = value_.load(std::memory_order_relaxed);
    return Status::kOk;
  }
  Status Import(const cobj::TransferStep& step) {
    value_.fetch_add(step.part(), std::memory_order_relaxed);
    return Status::kOk;
  }

  static constexpr std::uint64_t kDead = 0xdeaddeaddeaddead;

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Each rep counts for its CPUs; the value is the sum.
class ReplicatedCounter final : public idl::ICounter {
 public:
  using Interface = idl::ICounter;
  struct Shared {};

  explicit ReplicatedCounter(cobj::RepSite<ReplicatedCounter> site) : site_(site) {
    live_counters.fetch_add(1);
  }
  ~ReplicatedCounter() { live_counters.fetch_sub(1); }

  Result<std::uint64_t> Increment(std::uint64_t amount) override {
    return value_.fetch_add(amount, std::memory_order_relaxed) + amount;
  }
  static constexpr cobj::TransferForms kExportForms = cobj::FormBit(kCounterSum);
  static constexpr cobj::TransferForms kImportForms = cobj::FormBit(kCounterSum);
  Status Export(const cobj::TransferStep& step) {
    step.part() = value_.load(std::memory_order_relaxed);
    return Status::kOk;
  }
  Status Import(const cobj::TransferStep& step) {
    value_.fetch_add(step.part(), std::memory_order_relaxed);
    return Status::kOk;
  }

  Result<std::uint64_t> Value() override {
    std::uint64_t sum = 0;
    site_.ForEachRep(
        [&](ReplicatedCounter& rep) { sum += rep.value_.load(std::memory_order_relaxed); });
    return sum;
  }

 private:
  cobj::RepSite<ReplicatedCounter> site_;
  std::atomic<std::uint64_t> value_{0};
};

// As ReplicatedCounter, but its value begins with what the object was made with, wherever it is
// asked.
class StartedCounter final : public idl::ICounter {
 public:
  using Interface = idl::ICounter;
  struct Shared {
    explicit Shared(std::uint64_t start_) : start(start_) {}
    ~Shared() { start = SharedCounter::kDead; }
    std::uint64_t start;
  };

  explicit StartedCounter(cobj::RepSite<StartedCounter> site) : site_(site) {
    live_counters.fetch_add(1);
  }
  ~StartedCounter() {
    live_counters.fetch_sub(1);
    value_ = SharedCounter::kDead;
  }

  Result<std::uint64_t> Increment(std::uint64_t amount) override {
    return site_.shared.start + value_.fetch_add(amount, std::memory_order_relaxed) + amount;
  }
  Result<std::uint64_t> Value() override { return Increment(0); }

 private:
  cobj::RepSite<StartedCounter> site_;
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace k42::test
