// ReplicatedRoot<Rep>: a rep per cluster of CPUs, made when a CPU of the cluster first calls.
//
// The clustering factor says how many neighbouring CPUs share a rep: 1 is a rep per CPU, CpuCount()
// one for all. Reps of one object share a Rep::Shared, kept in the root; each is constructed as
// Rep(RepSite<Rep>), by which it reaches the shared part and the other reps. As a SharedRoot's, a
// rep may have SetSelf(Ref).
//
// Locking: none. A rep is put into its place once and stays until the object goes, so ForEach walks
// them as they are; they may be in use on their CPUs, so what it reads must be atomic.
#pragma once

#include <atomic>
#include <utility>

#include "base/assert.h"
#include "cobj/root.h"
#include "cobj/shared_root.h"
#include "machine/cpu.h"

namespace k42::cobj {

template <typename Rep>
class ReplicatedRoot;

// What a rep knows of its surroundings.
template <typename Rep>
struct RepSite {
  ReplicatedRoot<Rep>& root;
  typename Rep::Shared& shared;
  std::uint32_t cluster;

  template <typename Function>
  void ForEachRep(Function function) const {
    root.ForEach(function);
  }
};

template <typename Rep>
class ReplicatedRoot final : public Root, private Transferable {
 public:
  using Interface = typename Rep::Interface;
  using Shared = typename Rep::Shared;

  template <typename... Arguments>
  ReplicatedRoot(Allocator& allocator, std::uint32_t factor, Arguments&&... arguments)
      : allocator_(allocator), factor_(factor), shared_(std::forward<Arguments>(arguments)...) {
    K42_ASSERT(factor >= 1, "a clustering factor is at least 1");
  }

  Result<void*> ObjectFor(machine::CpuId cpu) override {
    return static_cast<Interface*>(TRY(RepOf(cpu / factor_)));
  }

  void Dispose(Allocator& allocator) override {
    ForEach([&](Rep& rep) { allocator.Destroy(&rep); });
    allocator.Destroy(this);
  }

  Transferable* transferable() override { return SwappableRep<Rep> ? this : nullptr; }

  template <typename Function>
  void ForEach(Function function) {
    for (const std::atomic<Rep*>& place : reps_)
      if (Rep* rep = place.load(std::memory_order_acquire))
        function(*rep);
  }
  std::uint32_t rep_count() {
    std::uint32_t count = 0;
    ForEach([&](Rep&) { ++count; });
    return count;
  }
  Shared& shared() { return shared_; }
  std::uint32_t factor() const { return factor_; }
  void Publishing(Ref<Interface>) {}

 private:
  TransferForms ExportForms() const override {
    if constexpr (SwappableRep<Rep>)
      return Rep::kExportForms;
    return 0;
  }
  TransferForms ImportForms() const override {
    if constexpr (SwappableRep<Rep>)
      return Rep::kImportForms;
    return 0;
  }
  // Each rep exports once, on the first CPU of its cluster that takes part.
  Status Export(const TransferStep& step) override {
    if constexpr (SwappableRep<Rep>) {
      const std::uint32_t cluster = step.cpu / factor_;
      Rep* rep = reps_[cluster].load(std::memory_order_acquire);
      for (const machine::CpuId cpu : step.cpus)
        if (cpu < step.cpu && cpu / factor_ == cluster)
          return Status::kOk;
      return rep == nullptr ? Status::kOk : rep->Export(step);
    }
    return Status::kNotSupported;
  }
  Status Import(const TransferStep& step) override {
    if constexpr (SwappableRep<Rep>)
      return TRY(RepOf(step.cpu / factor_))->Import(step);
    return Status::kNotSupported;
  }

  // Of two CPUs of one cluster that make one at once, the later gives his back.
  Result<Rep*> RepOf(std::uint32_t cluster) {
    std::atomic<Rep*>& place = reps_[cluster];
    if (Rep* rep = place.load(std::memory_order_acquire))
      return rep;
    Rep* made = TRY(allocator_.Make<Rep>(RepSite<Rep>{*this, shared_, cluster}));
    if constexpr (KnowsItself<Rep>)
      made->SetSelf(Ref<Interface>::FromBits(bits()));
    Rep* first = nullptr;
    if (place.compare_exchange_strong(first, made, std::memory_order_acq_rel))
      return made;
    allocator_.Destroy(made);
    return first;
  }

  Allocator& allocator_;
  const std::uint32_t factor_;
  Shared shared_;
  std::atomic<Rep*> reps_[machine::kMaxCpus] = {};
};

}  // namespace k42::cobj
