// FramePromises: how many frames are promised to somebody who will ask for them later.
//
// Who promises counts first and then looks how many frames there are; who takes, takes first and
// then looks at what is promised. Each writes before it reads, by an instruction that empties its
// store buffer, so one of two that meet sees the other. `free()` is the number of frames at that
// moment; what changes it is sequentially consistent (FramePool).
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"

namespace k42::mem {

template <template <typename> typename Atomic = std::atomic>
class BasicFramePromises {
 public:
  std::uint64_t count() const { return count_.load(std::memory_order_seq_cst); }

  // kLimitExceeded: that would be more than `most`. kNoMemory: beside all that is promised there
  // would be fewer than `reserve`.
  template <typename Free>
  Status Make(std::uint64_t frames, std::uint64_t most, std::uint64_t reserve, Free free) {
    const std::uint64_t before = count_.fetch_add(frames, std::memory_order_seq_cst);
    Status status = Status::kOk;
    if (before + frames > most) {
      status = Status::kLimitExceeded;
    } else if (free() < reserve + count()) {
      status = Status::kNoMemory;
    }
    if (!IsOk(status)) {
      End(frames);
    }
    return status;
  }
  void End(std::uint64_t frames) { count_.fetch_sub(frames, std::memory_order_seq_cst); }

  // Of what was just taken some was promised: it has to go back.
  template <typename Free>
  bool TookPromised(Free free) const {
    const std::uint64_t promised = count();
    return promised != 0 && free() < promised;
  }

 private:
  Atomic<std::uint64_t> count_{0};
};

using FramePromises = BasicFramePromises<>;

}  // namespace k42::mem
