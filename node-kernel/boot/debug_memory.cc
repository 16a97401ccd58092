#include "boot/debug_commands.h"
#include "boot/debug_print.h"
#include "boot/start_memory.h"
#include "machine/cpu.h"
#include "mem/heap.h"

namespace k42::boot {

void ShowMemory() {
  const mem::FrameAllocator& frames = Frames();
  const mem::Heap& heap = KernelHeap();
  DebugPrint("  frames: {} of {} free, {} of them in CPUs' caches; {} whole chunks of 2 MiB\n",
             frames.free_frames(), frames.total_frames(),
             frames.free_frames() - frames.frames_without_caches(), frames.large_chunks());
  DebugPrint("  user pages stop {} frames before the end; {} promised; descriptors {} KiB\n",
             frames.user_reserve(), frames.promised_frames(), frames.descriptor_bytes() >> 10);
  for (std::uint32_t node = 0; node < mem::FrameAllocator::kMaxNodes; ++node) {
    const mem::FramePool& pool = frames.pool(node);
    if (node == 0 || pool.free_frames() != 0) {
      DebugPrint("  node {}: {} frames free, {} whole chunks of 2 MiB\n", node, pool.free_frames(),
                 pool.large_chunks());
    }
  }
  DebugPrint("  heap: {} frames in slabs\n", heap.slab_frames());
  if (const mem::DebugHeap* debug = KernelDebugHeap()) {
    DebugPrint("  debug heap: {} frames of records\n", debug->record_frames());
  }
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    DebugPrint("  cpu {2} node {}: {} frames cached, {} in slabs\n", cpu, frames.node_of(cpu),
               frames.cached_frames(cpu), heap.slab_frames(cpu));
  }
}

}  // namespace k42::boot
