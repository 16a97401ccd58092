// Instances of a factory: one record per live object, in per-CPU lists.
//
// A record is unlinked and freed by Gone, when its object's last root is disposed of. Whoever swaps
// an instance *claims* it by its reference first, never by the record, which may go at any time:
// the claim is a mark in the record, and EndClaim finds it again by the reference.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/allocator.h"
#include "base/intrusive_list.h"
#include "cobj/code_use.h"
#include "cobj/ref.h"
#include "machine/cpu.h"
#include "machine/spin_lock.h"

namespace k42::cobj {

class InstanceList;

struct Instance final : ListLink<> {
  RefBits bits = 0;
  const CodeUse* code = nullptr;  // of its version
  std::uint64_t tried_in = 0;     // the sweep that claimed it last
  machine::CpuId cpu = 0;         // whose list
  InstanceList* list = nullptr;
};

class InstanceList {
 public:
  void Add(Instance& instance);
  // The object is gone, and so is its record.
  static void Gone(Instance& instance, Allocator& allocator);

  std::uint64_t count() const;
  std::uint64_t CountOtherThan(const CodeUse* code);

  struct Claim {
    RefBits bits = 0;
    machine::CpuId cpu = 0;
    machine::CpuId at = 0;    // where the sweep is
    std::uint64_t sweep = 0;  // 0: not begun; those that failed in an earlier one are tried again
  };
  // The next instance of another version that this sweep has not tried; false: none left.
  bool ClaimOutdated(const CodeUse* code, Claim* claim);
  void EndClaim(const Claim& claim, bool swapped, const CodeUse* code);

 private:
  struct alignas(64) PerCpu {
    machine::SpinLock<LockRank::kFactory> lock;
    IntrusiveList<Instance> instances K42_GUARDED_BY(lock);
    std::atomic<std::uint64_t> count{0};  // of them; written under lock
  };
  PerCpu cpus_[machine::kMaxCpus];
  std::atomic<std::uint64_t> sweeps_{0};
};

}  // namespace k42::cobj
