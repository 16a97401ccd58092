#include "boot/start_memory.h"

#include "base/assert.h"
#include "machine/boot_info.h"
#include "machine/log.h"
#include "machine/page_table.h"
#include "mem/heap.h"

namespace k42::boot {

namespace {

constinit mem::FrameAllocator frames;
constinit mem::Heap heap(frames);
constinit mem::MemoryServices services(frames);

machine::PhysAddr AllocatePage() {
  const Result<mem::Frame*> frame = frames.AllocateZeroed(mem::FramePurpose::kProgress);
  return frame.ok() ? frame.value()->address : 0;
}
void FreePage(machine::PhysAddr page) {
  frames.DropReference(frames.FrameOf(page));
}

}  // namespace

mem::FrameAllocator& Frames() {
  return frames;
}

mem::MemoryServices& MemoryServices() {
  return services;
}

void StartMemory() {
  constexpr std::size_t kMaxRanges = 64;
  mem::MemoryRange ranges[kMaxRanges];
  std::size_t count = 0;
  for (const machine::PhysRange& range : machine::TakeFreeMemory()) {
    K42_ASSERT(count < kMaxRanges, "more ranges of free memory than expected");
    ranges[count++] = {range.begin, range.end, 0};
  }
  const Status status = frames.Initialise({ranges, count}, machine::kMaxCpus);
  K42_ASSERT(IsOk(status), "no room for the frames' descriptors");
  machine::SetFrameSource({AllocatePage, FreePage});
  mem::SetHeap(&heap);
  machine::Log("memory: {} MiB in {} ranges, {} KiB of descriptors",
               frames.total_frames() * machine::kPageSize >> 20, count,
               frames.descriptor_bytes() >> 10);
}

}  // namespace k42::boot
