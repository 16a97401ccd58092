// What every part of mem needs from its surroundings, handed in rather than found: boot/ owns the
// kernel's one, each test makes its own.
#pragma once

#include "mem/frame_allocator.h"
#include "mem/hat.h"
#include "mem/page_manager.h"

namespace k42::mem {

class MemoryServices {
 public:
  explicit constexpr MemoryServices(FrameAllocator& frames_in) : frames(frames_in) {}

  FrameAllocator& frames;
  LoadedHats loaded_hats;
  PageManager page_manager;
};

}  // namespace k42::mem
