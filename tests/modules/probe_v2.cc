// A module: version 2 of the class Probe. Another layout of state (each CPU counts for itself), a
// difference that callers see (Version), both transformers and a self-test.
#include <atomic>

#include "cobj/module.h"
#include "cobj/shared_root.h"
#include "idl/probe.idl.h"
#include "machine/cpu.h"

namespace k42 {
namespace {

constexpr cobj::TransferForms kProbeSum = cobj::FormBit(0);

class ProbeV2 final : public idl::IProbe {
 public:
  using Interface = idl::IProbe;

  Result<std::uint64_t> Add(std::uint64_t amount) override {
    counts_[machine::CurrentCpu()].value.fetch_add(amount, std::memory_order_relaxed);
    return Total();
  }
  Result<std::uint64_t> Sum() override { return Total(); }
  Result<std::uint64_t> Version() override { return std::uint64_t{2}; }

  static constexpr cobj::TransferForms kExportForms = kProbeSum;
  static constexpr cobj::TransferForms kImportForms = kProbeSum;
  // Backwards: one sum, as version 1 wants it.
  Status Export(const cobj::TransferStep& step) {
    step.part() = Total();
    return Status::kOk;
  }
  // Forwards: the sum so far is whoever's CPU it was exported on.
  Status Import(const cobj::TransferStep& step) {
    counts_[step.cpu].value.fetch_add(step.part(), std::memory_order_relaxed);
    return Status::kOk;
  }

 private:
  struct alignas(64) Count {
    std::atomic<std::uint64_t> value{0};
  };
  std::uint64_t Total() const {
    std::uint64_t total = 0;
    for (const Count& count : counts_) total += count.value.load(std::memory_order_relaxed);
    return total;
  }
  Count counts_[machine::kMaxCpus];
};

Result<cobj::Root*> Make(Allocator& allocator) {
  return static_cast<cobj::Root*>(TRY(allocator.Make<cobj::SharedRoot<ProbeV2>>()));
}

// Read by the self-test, which counts its runs: data of the module's own. The loader's tests change
// the word to see a self-test fail.
constinit volatile std::uint64_t sound = 0x7072'6f62'655f'6f6b;

// An object of this version takes over what version 1 would give, and gives it back.
Status SelfTest(Allocator& allocator) {
  constexpr std::uint64_t kBefore = 41;
  auto* root = TRY(allocator.Make<cobj::SharedRoot<ProbeV2>>());
  ProbeV2& probe = root->rep();
  std::uintptr_t parts[machine::kMaxCpus] = {};
  const machine::CpuId cpu = machine::CurrentCpu();
  parts[cpu] = kBefore;
  const cobj::TransferStep step{0, cpu, CpuSet::Of(cpu), parts};
  Status status = probe.Import(step);
  const Result<std::uint64_t> after = probe.Add(1);
  parts[cpu] = 0;
  if (status == Status::kOk)
    status = probe.Export(step);
  if (status == Status::kOk && (sound != 0x7072'6f62'655f'6f6b || after.ValueOr(0) != kBefore + 1 ||
                                parts[cpu] != kBefore + 1))
    status = Status::kCorrupt;
  allocator.Destroy(root);
  return status;
}

Status Entry(cobj::ModuleOffer& offer) {
  offer.maker = Make;
  offer.self_test = SelfTest;
  return Status::kOk;
}

[[gnu::section(".k42.module"), gnu::used]] constinit abi::ModuleRecord record =
    cobj::ModuleFor("Probe", 1, 2, Entry);

}  // namespace
}  // namespace k42
