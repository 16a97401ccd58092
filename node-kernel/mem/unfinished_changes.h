// UnfinishedChanges: page tables in which an entry is gone that some CPU may still translate by.
//
// A change clears entries under the table's lock and tells the CPUs after it. In between another
// change finds nothing to clear, and must not think that nobody reaches what it takes away: a page
// would be freed, or an address used for something else, under a CPU that has not been told yet.
// So each gather counts itself here, under the table's lock, when it clears its first entry of that
// table, and out again when every CPU has answered; and who changes a range of a table while others
// are counted there tells the CPUs of the whole range himself (Hat::NoteUnfinishedLocked).
//
// Tables are counted by bucket, not one by one: a gather may change any number of them, and a table
// may be gone before the gather is finished. Two in one bucket cost a message too many. The counts
// of a CPU are written by its threads only, so that faults on two CPUs write no common line.
#pragma once

#include <atomic>
#include <cstdint>

#include "machine/cpu.h"

namespace k42::mem {

class UnfinishedChanges {
 public:
  static constexpr unsigned kBuckets = 16;
  using Buckets = std::uint16_t;  // a bit each

  static unsigned BucketOf(const void* table) {
    return static_cast<unsigned>(reinterpret_cast<std::uint64_t>(table) * 0x9e3779b97f4a7c15u >>
                                 60);
  }

  // On the calling CPU, whose thread also ends it; the table's lock is held.
  void Begin(unsigned bucket) { Count(bucket, 1); }
  void End(Buckets buckets) {
    for (unsigned bucket = 0; buckets != 0; ++bucket, buckets >>= 1) {
      if ((buckets & 1) != 0) {
        Count(bucket, ~std::uint32_t{0});
      }
    }
  }
  // Somebody is counted there; `mine` of them (0 or 1) is the caller, on this CPU. The table's lock
  // is held: who cleared an entry before has begun, as seen from here.
  bool Others(unsigned bucket, std::uint32_t mine) const {
    const machine::CpuId self = machine::CurrentCpu();
    for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
      const std::uint32_t own = cpu == self ? mine : 0;
      if (cpus_[cpu].count[bucket].load(std::memory_order_acquire) != own) {
        return true;
      }
    }
    return false;
  }

 private:
  struct alignas(64) PerCpu {
    std::atomic<std::uint32_t> count[kBuckets] = {};
  };
  void Count(unsigned bucket, std::uint32_t by) {
    std::atomic<std::uint32_t>& count = cpus_[machine::CurrentCpu()].count[bucket];
    count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_release);
  }

  PerCpu cpus_[machine::kMaxCpus];
};
static_assert(UnfinishedChanges::kBuckets == 16, "BucketOf takes the top four bits");

}  // namespace k42::mem
