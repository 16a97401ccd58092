#include "boot/start_memory.h"

#include <type_traits>

#include "base/assert.h"
#include "boot/memory_nodes.h"
#include "machine/boot_info.h"
#include "machine/log.h"
#include "machine/page_table.h"
#include "mem/heap.h"

namespace k42::boot {

namespace {

constinit mem::FrameAllocator frames;
constinit mem::Heap heap(frames);
constinit mem::MemoryServices services(frames);

// Only a debug kernel has room for one.
struct NoDebugHeap {
  constexpr NoDebugHeap(Allocator&, mem::FrameAllocator&) {}
};
using MaybeDebugHeap = std::conditional_t<kDebugChecks, mem::DebugHeap, NoDebugHeap>;
constinit MaybeDebugHeap debug_heap(heap, frames);
[[maybe_unused]] mem::DebugHeap* Present(mem::DebugHeap& debug) {
  return &debug;
}
[[maybe_unused]] mem::DebugHeap* Present(NoDebugHeap&) {
  return nullptr;
}

machine::PhysAddr AllocatePage() {
  if (frames.failures().ShouldFail()) {
    return 0;
  }
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

mem::Heap& KernelHeap() {
  return heap;
}

mem::DebugHeap* KernelDebugHeap() {
  return Present(debug_heap);
}

mem::MemoryServices& MemoryServices() {
  return services;
}

void StartMemory() {
  constexpr std::size_t kMaxRanges = 64;
  mem::MemoryRange ranges[kMaxRanges];
  const std::size_t count = SplitByNode(machine::TakeFreeMemory(), ranges);
  const Status status = frames.Initialise({ranges, count}, machine::kMaxCpus);
  K42_ASSERT(IsOk(status), "no room for the frames' descriptors");
  machine::SetFrameSource({AllocatePage, FreePage});
  if (mem::DebugHeap* debug = KernelDebugHeap()) {
    mem::SetHeap(debug);
  } else {
    mem::SetHeap(&heap);
  }
  if constexpr (kDebugChecks) {
    std::uint64_t seed = 0;
    for (const char digit : machine::BootOption("reuse", "0")) {
      seed = seed * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    frames.SetReuse(seed);
  }
  const std::string_view large = machine::BootOption("large_pages", "madvise");
  services.large_policy = large == "always"  ? mem::LargePolicy::kAlways
                          : large == "never" ? mem::LargePolicy::kNever
                                             : mem::LargePolicy::kWhenWanted;
  machine::Log("memory: {} MiB in {} ranges, {} KiB of descriptors",
               frames.total_frames() * machine::kPageSize >> 20, count,
               frames.descriptor_bytes() >> 10);
}

}  // namespace k42::boot
