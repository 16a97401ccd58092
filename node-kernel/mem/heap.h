// The kernel's heap. Three layers, after K42's LMalloc, GMalloc and PMalloc:
//
//   per CPU    slabs: frames cut into blocks of one power of two (16 B .. 2 KiB). Allocating and
//              freeing on the slab's home CPU is a few instructions, without lock or atomic.
//   homeward   a block freed on another CPU waits in that CPU's outbox for its home; full outboxes
//              (kBatch blocks) go home with one compare-and-swap, and are taken in when the home
//              CPU would otherwise need a new slab.
//   frames     slabs whose blocks are all back return to the FrameAllocator (one per size is kept).
//              Larger requests are whole runs of frames (at most 2 MiB).
//
// Blocks carry no header; what is known of them is in the frame's descriptor. Blocks of one frame
// belong to one home CPU, so two CPUs never allocate within one cache line; AllocKind::kPadded also
// keeps blocks of the same CPU in lines of their own, for data that other CPUs will write. Blocks
// are aligned to their (rounded up) size.
//
// Callers run in thread context. Debug builds fill free blocks and look for writes to them.
#pragma once

#include <atomic>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "base/allocator.h"
#include "mem/frame_allocator.h"

namespace k42::mem {

enum class AllocKind : std::uint8_t {
  kLocal,   // mostly used by the CPU that allocates
  kPadded,  // written by several CPUs: never shares a cache line with another block
};

class Heap final : public Allocator {
 public:
  static constexpr std::size_t kSmallest = 16;
  static constexpr std::size_t kLargest = 2048;  // of a slab's blocks
  static constexpr unsigned kClasses = 8;
  static constexpr std::uint32_t kBatch = 16;

  explicit constexpr Heap(FrameAllocator& frames) : frames_(frames) {}

  void* Allocate(std::size_t size, std::size_t align) override;
  void Free(void* block, std::size_t size) override;

  // Sends this CPU's outboxes home, takes in what came, and gives up empty slabs.
  void Trim();

  std::uint64_t slab_frames() const { return slab_frames_.load(std::memory_order_relaxed); }

 private:
  struct Block {
    Block* next;
  };
  struct Outbox {
    Block* first = nullptr;
    Block* last = nullptr;
    std::uint32_t count = 0;
  };
  struct alignas(64) CpuHeap {
    IntrusiveList<Frame> partial[kClasses];  // slabs with a free block, at home here
    Frame* spare[kClasses] = {};             // the one empty slab that is kept, in partial too
    Outbox outbox[machine::kMaxCpus];
    alignas(64) std::atomic<Block*> inbox{nullptr};  // written by other CPUs
  };

  static unsigned ClassOf(std::size_t size);
  static std::size_t SizeOf(unsigned size_class) { return kSmallest << size_class; }
  Frame* FrameOf(const void* block) const { return frames_.FrameOf(machine::VirtToPhys(block)); }

  // slab_class of the first frame of a run; slab.used is then its length.
  static constexpr std::uint8_t kRun = 0xff;
  void* AllocateRun(std::uint32_t pages);
  Frame* NewSlab(CpuHeap& heap, unsigned size_class, std::uint32_t cpu);
  void FreeAtHome(CpuHeap& heap, Frame* slab, Block* block);
  void SendHome(Outbox& outbox, std::uint32_t home);
  bool TakeInbox(CpuHeap& heap);

  FrameAllocator& frames_;
  std::atomic<std::uint64_t> slab_frames_{0};
  CpuHeap cpus_[machine::kMaxCpus];
};

// -- the kernel's one heap
// -------------------------------------------------------------------------- Set by boot/ as soon
// as there are frames. Before (and in hosted tests that set none) the platform's fallback serves.
void SetHeap(Allocator* heap);
Allocator& TheHeap();

void* Allocate(std::size_t size, AllocKind kind = AllocKind::kLocal);
void Free(void* block, std::size_t size, AllocKind kind = AllocKind::kLocal);

template <typename T, typename... Arguments>
Result<T*> New(Arguments&&... arguments) {
  return TheHeap().Make<T>(std::forward<Arguments>(arguments)...);
}
// T is the object's own class. Null is fine.
template <typename T>
void Delete(T* object) {
  if (object != nullptr) {
    TheHeap().Destroy(object);
  }
}

}  // namespace k42::mem
