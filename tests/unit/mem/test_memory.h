// A FrameAllocator over part of the simulated machine's memory, fresh for each test.
#pragma once

#include <memory>

#include "mem/frame_allocator.h"

namespace k42::mem {

struct TestFrames {
  explicit TestFrames(std::uint64_t size = 32ull << 20, std::uint8_t nodes = 1)
      : allocator(std::make_unique<FrameAllocator>()) {
    constexpr PhysAddr kBegin = (16ull << 20) + 5 * kPageSize;  // not aligned to a large page
    MemoryRange ranges[2];
    ranges[0] = {kBegin, kBegin + size / nodes, 0};
    ranges[1] = {ranges[0].end + kLargePageSize, ranges[0].end + kLargePageSize + size / 2, 1};
    status = allocator->Initialise({ranges, nodes}, 4);
    all = allocator->free_frames();
  }
  std::unique_ptr<FrameAllocator> allocator;
  Status status = Status::kOk;
  std::uint64_t all = 0;  // frames free at the start
};

}  // namespace k42::mem
