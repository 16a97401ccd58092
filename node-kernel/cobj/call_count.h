// CallCount: one CPU's calls inside an object that is being swapped (mediator.h), and what the end
// of the last of them means.
//
//   kForward  --Block--> kBlock: calls come in only on behalf of threads that are inside already.
//                The CPU reports once that nobody is inside: at Block itself, or at the Leave that
//                leaves nobody.
//   kForward, kBlock --End--> kOver: nobody is counted in any more. Calls still inside hold the
//                mediator; the Leave that leaves nobody releases it.
//
// Only this CPU's threads and message handlers use it, and they are cooperative: no atomic
// operation. Between CPUs there are only count-downs (count_down.h), of the reports and of the
// holds.
#pragma once

#include <cstdint>

namespace k42::cobj {

class CallCount {
 public:
  enum class Phase : std::uint8_t { kForward, kBlock, kOver };
  enum class Left : std::uint8_t { kNothing, kReport, kRelease };

  Phase phase() const { return phase_; }

  // kForward; or kBlock, for a thread that is inside already.
  void Enter() { ++inside_; }
  Left Leave() {
    if (--inside_ != 0 || phase_ == Phase::kForward)
      return Left::kNothing;
    return phase_ == Phase::kBlock ? Left::kReport : Left::kRelease;
  }

  // True: nobody is inside, now or later.
  bool Block() {
    phase_ = Phase::kBlock;
    return inside_ == 0;
  }
  // True: calls are inside, and need a hold.
  bool End() {
    phase_ = Phase::kOver;
    return inside_ != 0;
  }

 private:
  std::uint32_t inside_ = 0;
  Phase phase_ = Phase::kForward;
};

}  // namespace k42::cobj
