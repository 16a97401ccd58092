#include "global/cluster_barrier.h"

#include "global/pause.h"

namespace k42::global {

namespace {

constexpr std::uint64_t kFirstPauseNs = 200'000;
constexpr std::uint64_t kLongestPauseNs = 10'000'000;

}  // namespace

Status WaitAtBarrier(cobj::Ref<IClusterBarrier> barrier, std::uint32_t member,
                     std::uint64_t deadline_ns) {
  const std::uint64_t round = TRY(barrier->Arrive(member));
  std::uint64_t pause = kFirstPauseNs;
  while (!TRY(barrier->Passed(round))) {
    if (machine::MonotonicNs() >= deadline_ns)
      return Status::kTimedOut;
    Pause(pause);
    pause = pause * 2 < kLongestPauseNs ? pause * 2 : kLongestPauseNs;
  }
  return Status::kOk;
}

}  // namespace k42::global
