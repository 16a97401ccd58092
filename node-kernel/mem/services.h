// What every part of mem needs from its surroundings, handed in rather than found: boot/ owns the
// kernel's one, each test makes its own.
#pragma once

#include <atomic>

#include "mem/frame_allocator.h"
#include "mem/hat.h"
#include "mem/page_manager.h"

namespace k42::mem {

// Whether private memory is shown by 2 MiB pages, for the whole node.
enum class LargePolicy : std::uint8_t { kNever, kWhenWanted, kAlways };

class MemoryServices {
 public:
  explicit constexpr MemoryServices(FrameAllocator& frames_in) : frames(frames_in) {}

  FrameAllocator& frames;
  LoadedHats loaded_hats;
  PageManager page_manager;
  std::atomic<std::uint64_t> last_serial{0};  // of Fcms
  std::atomic<LargePolicy> large_policy{LargePolicy::kWhenWanted};
};

}  // namespace k42::mem
