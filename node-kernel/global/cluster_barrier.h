// The home's rep of a cluster-wide barrier, of at most 64 parties.
//
// Rounds count from 1. A round passes when all parties have arrived in it; then the next one is
// open. Locking: lock_ guards both words.
#pragma once

#include "global/cluster_barrier.idl.h"
#include "machine/spin_lock.h"

namespace k42::global {

class ClusterBarrier final : public IClusterBarrier {
 public:
  using Interface = IClusterBarrier;
  static constexpr std::uint32_t kMaxParties = 64;

  // Precondition: 1 <= parties <= kMaxParties.
  explicit ClusterBarrier(std::uint32_t parties)
      : all_(parties == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << parties) - 1) {}

  Result<std::uint64_t> Arrive(std::uint32_t member) override {
    if (member >= kMaxParties || (all_ >> member & 1) == 0)
      return Status::kInvalidArgument;
    const machine::SpinGuard guard(lock_);
    const std::uint64_t round = round_;
    arrived_ |= std::uint64_t{1} << member;
    if (arrived_ == all_) {
      arrived_ = 0;
      ++round_;
    }
    return round;
  }
  Result<bool> Passed(std::uint64_t round) override {
    const machine::SpinGuard guard(lock_);
    return round < round_;
  }

 private:
  const std::uint64_t all_;
  machine::SpinLock<LockRank::kWaitQueue> lock_;
  std::uint64_t arrived_ K42_GUARDED_BY(lock_) = 0;
  std::uint64_t round_ K42_GUARDED_BY(lock_) = 1;
};

// Arrives and waits until the round has passed, asking less and less often. Blocks (BlockExternal).
Status WaitAtBarrier(cobj::Ref<IClusterBarrier> barrier, std::uint32_t member,
                     std::uint64_t deadline_ns);

}  // namespace k42::global
