// UseCount: how many there are of something that comes and goes on all CPUs, counted without a word
// that they share: each CPU writes a line of its own, and only who asks looks at all of them.
//
// What was added on one CPU may be dropped on another, once that knows of it. So the drops are read
// before the additions: of whatever is seen to have gone it is seen, too, that it came, and what is
// there is never missed. Threads are cooperative and stay on their CPU: no atomic operation.
// `Atomic` is a parameter for the interleaving test.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/contract/types.h"

namespace k42::cobj {

template <template <typename> typename Atomic = std::atomic,
          machine::CpuId cpus = machine::kMaxCpus>
class BasicUseCount {
 public:
  constexpr BasicUseCount() = default;

  // `cpu` is the caller's.
  void Add(machine::CpuId cpu) { Increment(cpus_[cpu].added, std::memory_order_relaxed); }
  // Who then finds none sees what the caller did before.
  void Drop(machine::CpuId cpu) { Increment(cpus_[cpu].dropped, std::memory_order_release); }

  // None: all that had been added before have been dropped. Else how many there are, or were while
  // they were counted.
  std::uint64_t Count() const {
    std::uint64_t dropped = 0, added = 0;
    for (const PerCpu& cpu : cpus_) dropped += cpu.dropped.load(std::memory_order_acquire);
    for (const PerCpu& cpu : cpus_) added += cpu.added.load(std::memory_order_relaxed);
    return added - dropped;
  }

 private:
  struct alignas(64) PerCpu {
    Atomic<std::uint64_t> added{0};
    Atomic<std::uint64_t> dropped{0};
  };
  static void Increment(Atomic<std::uint64_t>& count, std::memory_order order) {
    count.store(count.load(std::memory_order_relaxed) + 1, order);
  }

  PerCpu cpus_[cpus];
};

using UseCount = BasicUseCount<>;

}  // namespace k42::cobj
