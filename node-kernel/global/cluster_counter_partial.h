// The home's rep of a cluster-wide counter, second implementation: a partial count per CPU. Adding
// touches no line that another CPU writes, reading visits all.
//
// What a caller gets grows strictly though parts are read one after the other: each part only
// grows, a caller's later sum reads each of them later, and its own has grown by what it added.
#pragma once

#include <atomic>

#include "cobj/replicated_root.h"
#include "global/cluster_counter.h"

namespace k42::global {

class PartialClusterCounter final : public IClusterCounter {
 public:
  using Interface = IClusterCounter;
  struct Shared {};

  explicit PartialClusterCounter(cobj::RepSite<PartialClusterCounter> site) : site_(site) {}

  Result<std::uint64_t> Add(std::uint64_t amount) override {
    part_.fetch_add(amount, std::memory_order_relaxed);
    return Read();
  }
  Result<std::uint64_t> Read() override {
    std::uint64_t sum = 0;
    site_.ForEachRep(
        [&](PartialClusterCounter& rep) { sum += rep.part_.load(std::memory_order_relaxed); });
    return sum;
  }

  // -- hot swap --
  static constexpr cobj::TransferForms kExportForms = cobj::FormBit(kCounterSumForm);
  static constexpr cobj::TransferForms kImportForms = cobj::FormBit(kCounterSumForm);
  Status Export(const cobj::TransferStep& step) {
    step.part() = part_.load(std::memory_order_relaxed);
    return Status::kOk;
  }
  Status Import(const cobj::TransferStep& step) {
    part_.fetch_add(step.part(), std::memory_order_relaxed);
    return Status::kOk;
  }

 private:
  cobj::RepSite<PartialClusterCounter> site_;
  std::atomic<std::uint64_t> part_{0};
};

}  // namespace k42::global
