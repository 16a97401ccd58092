// TraceClock: what the guest's cycle counter said at which moment of this host's clock, so that the
// traces of several nodes can be laid over each other.
//
// The kernel is asked some times and the fastest answer counts: its count belongs to a moment
// between question and answer. One pair is taken when the guest comes up, another at each request;
// between the two, time is interpolated, so that an error of the guest's own calibration does not
// add up. A guest that does not answer within kPatienceMs is described by what is known.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "abi/trace_area.h"
#include "cluster-services/noded/daemon.h"

namespace k42::noded {

class TraceClock {
 public:
  explicit TraceClock(Daemon& daemon);

  // Takes a new pair; `done` is called in any case, once, on the loop's thread.
  void Measure(std::function<void()> done);
  // {"mult", "shift", "base_cycles", "base_ns"} of the guest, and "pairs": [[cycles, host ns since
  // 1970, uncertainty in ns], ...], at most two.
  nlohmann::json Describe(const trace::TraceArea& area) const;

 private:
  struct Pair {
    std::uint64_t cycles;
    std::uint64_t host_ns;
    std::uint64_t error_ns;
  };

  void Ask();
  void OnTime(std::uint64_t number, std::span<const std::byte> payload);
  void End();

  Daemon& daemon_;
  interconnect::UniqueFd timer_;
  std::vector<std::function<void()>> waiting_;
  std::uint32_t left_ = 0;  // questions of this round; 0: none is under way
  std::uint32_t number_ = 0;
  std::uint64_t asked_ns_ = 0;
  std::optional<Pair> best_, first_, last_;
};

}  // namespace k42::noded
