// The class that the upgrade's tests carry from version to version: version 1, as a kernel is built
// with it (version 2: modules/probe_v2.cc).
#pragma once

#include <atomic>

#include "cobj/shared_root.h"
#include "idl/probe.idl.h"

namespace k42::test {

inline constexpr char kProbeClass[] = "Probe";
// Form 0, which every version gives and takes: the part of one CPU is the sum.
inline constexpr cobj::TransferForms kProbeSum = cobj::FormBit(0);

// Version 1 gives its state to nobody while this is set.
inline constinit std::atomic<bool> probes_refuse{false};

class ProbeV1 final : public idl::IProbe {
 public:
  using Interface = idl::IProbe;

  Result<std::uint64_t> Add(std::uint64_t amount) override {
    return sum_.fetch_add(amount, std::memory_order_relaxed) + amount;
  }
  Result<std::uint64_t> Sum() override { return sum_.load(std::memory_order_relaxed); }
  Result<std::uint64_t> Version() override { return std::uint64_t{1}; }

  static constexpr cobj::TransferForms kExportForms = kProbeSum;
  static constexpr cobj::TransferForms kImportForms = kProbeSum;
  Status Export(const cobj::TransferStep& step) {
    if (probes_refuse.load(std::memory_order_relaxed))
      return Status::kRefused;
    step.part() = sum_.load(std::memory_order_relaxed);
    return Status::kOk;
  }
  Status Import(const cobj::TransferStep& step) {
    sum_.fetch_add(step.part(), std::memory_order_relaxed);
    return Status::kOk;
  }

  static Result<cobj::Root*> Make(Allocator& allocator) {
    return static_cast<cobj::Root*>(TRY(allocator.Make<cobj::SharedRoot<ProbeV1>>()));
  }

 private:
  std::atomic<std::uint64_t> sum_{0};
};

}  // namespace k42::test
