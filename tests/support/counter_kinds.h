// Every kind that a counter may be of: shared, and replicated with each clustering factor. What
// holds of clustered objects holds of all of them.
#pragma once

#include "machine/cpu.h"
#include "support/counters.h"

namespace k42::test {

struct CounterKind {
  std::uint32_t factor;  // 0: shared

  // `start`: what the value begins with, on every CPU. Replicated ones with a start are not for
  // swaps.
  Result<cobj::Ref<idl::ICounter>> Make() const {
    if (factor == 0)
      return TRY(cobj::MakeShared<SharedCounter>());
    return TRY(cobj::MakeReplicated<ReplicatedCounter>(factor));
  }
  Result<cobj::Ref<idl::ICounter>> Make(std::uint64_t start) const {
    if (factor == 0)
      return TRY(cobj::MakeShared<SharedCounter>(start));
    return TRY(cobj::MakeReplicated<StartedCounter>(factor, start));
  }
  Result<cobj::Root*> MakeRoot(Allocator& allocator) const {
    if (factor == 0)
      return TRY(allocator.Make<cobj::SharedRoot<SharedCounter>>());
    return TRY(allocator.Make<cobj::ReplicatedRoot<ReplicatedCounter>>(allocator, factor));
  }
};

class CounterKinds {
 public:
  // For the CPUs that there are: factors 1, 2, 4, ... and all of them in one.
  CounterKinds() {
    kinds_[count_++] = {0};
    for (std::uint32_t factor = 1; factor < machine::CpuCount(); factor *= 2)
      kinds_[count_++] = {factor};
    kinds_[count_++] = {machine::CpuCount()};
  }
  const CounterKind* begin() const { return kinds_; }
  const CounterKind* end() const { return kinds_ + count_; }
  std::uint32_t size() const { return count_; }
  // The i-th, and from the first on again after the last.
  const CounterKind& operator[](std::uint64_t i) const { return kinds_[i % count_]; }

 private:
  static constexpr std::uint32_t kMost = 8;
  static_assert(machine::kMaxCpus <= 1u << (kMost - 2));
  CounterKind kinds_[kMost];
  std::uint32_t count_ = 0;
};

}  // namespace k42::test
