// FrameReuse: which of a CPU's free frames is handed out next, in a debug kernel that was started
// with `reuse=SEED`: a random one, and mostly one that was just taken out of page tables. A missing
// shoot-down harms only if the frame is in other hands while somebody still has its translation; a
// cache that hands out the last frame first gives it back to the same kind of work, or, once others
// lie above it, not for a long time. Off: the last one, which is warm.
//
// Of one CPU; no locking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "mem/frame.h"

namespace k42::mem {

class FrameReuse {
 public:
  constexpr FrameReuse() = default;

  // 0 is off.
  void Start(std::uint64_t seed, std::uint32_t cpu) {
    state_ = seed == 0 ? 0 : Mixed(seed * 64 + cpu + 1);
  }

  // Puts the frame to hand out behind the others, of which there is one at least.
  void Choose(std::span<Frame*> free) {
    if (state_ == 0) {
      return;
    }
    const std::size_t count = free.size();
    std::size_t chosen = Next() % count;
    if (Next() % 4 != 0) {  // the first unmapped one from there on
      for (std::size_t i = 0; i < count; ++i) {
        if (free[(chosen + i) % count]->unmapped) {
          chosen = (chosen + i) % count;
          break;
        }
      }
    }
    std::swap(free[chosen], free[count - 1]);
  }

  // Any order, for those that leave the cache.
  void Shuffle(std::span<Frame*> free) {
    for (std::size_t i = free.size(); state_ != 0 && i > 1; --i) {
      std::swap(free[i - 1], free[Next() % i]);
    }
  }

 private:
  static constexpr std::uint64_t Mixed(std::uint64_t x) {
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
    x ^= x >> 33;
    return x != 0 ? x : 1;
  }
  std::uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ >> 16;
  }

  std::uint64_t state_ = 0;
};

}  // namespace k42::mem
