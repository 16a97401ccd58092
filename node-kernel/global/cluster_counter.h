// The home's rep of a cluster-wide counter: one word for all CPUs. Cheap while few add; where many
// do, cluster_counter_partial.h takes over.
#pragma once

#include <atomic>

#include "cobj/transfer.h"
#include "global/cluster_counter.idl.h"

namespace k42::global {

// The form in which counters hand over their state: a part is what that CPU contributes to the sum.
inline constexpr std::uint32_t kCounterSumForm = 0;

class ClusterCounter final : public IClusterCounter {
 public:
  using Interface = IClusterCounter;

  Result<std::uint64_t> Add(std::uint64_t amount) override {
    return value_.fetch_add(amount, std::memory_order_relaxed) + amount;
  }
  Result<std::uint64_t> Read() override { return value_.load(std::memory_order_relaxed); }

  // -- hot swap --
  static constexpr cobj::TransferForms kExportForms = cobj::FormBit(kCounterSumForm);
  static constexpr cobj::TransferForms kImportForms = cobj::FormBit(kCounterSumForm);
  Status Export(const cobj::TransferStep& step) {
    step.part() = value_.load(std::memory_order_relaxed);
    return Status::kOk;
  }
  Status Import(const cobj::TransferStep& step) {
    value_.fetch_add(step.part(), std::memory_order_relaxed);
    return Status::kOk;
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace k42::global
