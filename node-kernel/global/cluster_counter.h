// The home's rep of a cluster-wide counter.
#pragma once

#include <atomic>

#include "global/cluster_counter.idl.h"

namespace k42::global {

class ClusterCounter final : public IClusterCounter {
 public:
  using Interface = IClusterCounter;

  Result<std::uint64_t> Add(std::uint64_t amount) override {
    return value_.fetch_add(amount, std::memory_order_relaxed) + amount;
  }
  Result<std::uint64_t> Read() override { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace k42::global
