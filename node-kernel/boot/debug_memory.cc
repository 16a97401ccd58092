#include "boot/debug_commands.h"
#include "boot/debug_print.h"
#include "boot/start_memory.h"
#include "mem/heap.h"

namespace k42::boot {

void ShowMemory() {
  const mem::FrameAllocator& frames = Frames();
  DebugPrint("  frames: {} of {} free, {} of them in CPUs' caches; {} whole chunks of 2 MiB\n",
             frames.free_frames(), frames.total_frames(),
             frames.free_frames() - frames.frames_without_caches(), frames.large_chunks());
  DebugPrint("  user pages stop {} frames before the end; descriptors {} KiB\n",
             frames.user_reserve(), frames.descriptor_bytes() >> 10);
  DebugPrint("  heap: {} frames in slabs\n", KernelHeap().slab_frames());
}

}  // namespace k42::boot
