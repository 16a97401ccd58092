// SteppedRange: nothing. The host has no interrupts; the protocols are tried under every
// interleaving instead (tests/model).
#pragma once

namespace k42::machine {

class SteppedRange {
 public:
  SteppedRange() {}
  ~SteppedRange() {}
  SteppedRange(const SteppedRange&) = delete;
  SteppedRange& operator=(const SteppedRange&) = delete;
};

}  // namespace k42::machine
