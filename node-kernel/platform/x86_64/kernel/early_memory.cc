#include "early_memory.h"

#include <cstring>

#include "base/assert.h"
#include "machine/phys.h"

namespace k42::machine {
namespace {

// Written by the boot CPU only, before others start.
constinit PhysRanges free_ranges;
constinit PhysRange current = {0, 0};
constinit bool taken = false;
constinit FrameSource frame_source = {nullptr, nullptr};

}  // namespace

void StartEarlyMemory(const PhysRanges& free) {
  free_ranges = free;
  free_ranges.TrimToPages();
  for (const PhysRange& range : free_ranges.ranges()) {
    if (range.size() >= (4 << 20)) {
      current = range;
      return;
    }
  }
  K42_ASSERT(false, "no RAM range of 4 MiB: give the machine more memory");
}

void ReserveMemory(PhysRange range) {
  if (range.begin < current.end && current.begin < range.end) {
    K42_ASSERT(range.begin >= current.begin, "reserved memory is already in use");
    current.end = range.begin;
  }
  const Status status = free_ranges.Subtract(range);
  K42_ASSERT(status == Status::kOk, "memory map too fragmented");
}

PhysAddr AllocateEarly(std::uint64_t pages) {
  K42_ASSERT(!taken, "early memory has been handed to the frame allocator");
  K42_ASSERT(current.size() >= pages * kPageSize, "early memory exhausted");
  const PhysAddr page = current.begin;
  current.begin += pages * kPageSize;
  std::memset(PhysToVirt(page), 0, pages * kPageSize);
  return page;
}

PhysAddr AllocatePlatformPage() {
  return frame_source.allocate != nullptr ? frame_source.allocate() : AllocateEarly(1);
}

void FreePlatformPage(PhysAddr page) {
  if (frame_source.free != nullptr) {
    frame_source.free(page);
  }
}

std::span<const PhysRange> TakeFreeMemory() {
  K42_ASSERT(!taken, "free memory is taken once");
  taken = true;
  for (const PhysRange& range : free_ranges.ranges()) {
    if (range.begin <= current.begin && current.begin < range.end) {
      const Status status = free_ranges.Subtract({range.begin, current.begin});
      K42_ASSERT(status == Status::kOk, "cutting at the front never splits");
      break;
    }
  }
  return free_ranges.ranges();
}

void SetFrameSource(const FrameSource& source) {
  frame_source = source;
}

}  // namespace k42::machine
