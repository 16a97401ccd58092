// The kernel's heap. Three layers, after K42's LMalloc, GMalloc and PMalloc:
//
//   per CPU    slabs: frames cut into blocks of one power of two (16 B .. 2 KiB). Of each kind one
//              is active: its free blocks are the CPU's bin, which allocating pops and freeing
//              pushes: few instructions, without lock or atomic.
//   homeward   a block freed on another CPU waits in that CPU's outbox for its home; full outboxes
//              (kBatch blocks) go home with one compare-and-swap, and are taken in when the home
//              CPU would otherwise need a new slab.
//   frames     slabs whose blocks are all back return to the FrameAllocator (one per size is kept).
//              Larger requests are whole runs of frames (at most 2 MiB).
//
// Blocks carry no header; what is known of them is in the frame's descriptor. Blocks are aligned to
// their (rounded up) size. No cache line is shared by accident:
//   - blocks of one frame belong to one home CPU: two CPUs never allocate within one line;
//   - strictly local blocks (AllocKind::kLocal) have frames of their own: what other CPUs write is
//     never a neighbour of what only this one does;
//   - AllocKind::kPadded gives a block lines of its own, for what several CPUs write.
//
// Callers run in thread context. Debug builds fill free blocks and look for writes to them.
#pragma once

#include <atomic>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "base/allocator.h"
#include "machine/phys.h"
#include "mem/block_inbox.h"
#include "mem/frame_allocator.h"

namespace k42::mem {

enum class AllocKind : std::uint8_t {
  kShared,  // used by whoever has it
  kLocal,   // strictly local: written and freed by the CPU that allocates
  kPadded,  // written by several CPUs: never shares a cache line with another block
};

class Heap final : public Allocator {
 public:
  static constexpr std::size_t kSmallest = 16;
  static constexpr std::size_t kLargest = 2048;  // of a slab's blocks
  static constexpr unsigned kClasses = 8;
  static constexpr unsigned kSlabKinds = 2 * kClasses;  // by size, and again for strictly local
  static constexpr std::uint32_t kBatch = 16;

  explicit constexpr Heap(FrameAllocator& frames) : frames_(frames) {}

  void* Allocate(std::size_t size, std::size_t align) override;
  void* AllocateLocal(std::size_t size, std::size_t align) override;
  void Free(void* block, std::size_t size) override;

  // Sends this CPU's outboxes home, takes in what came, and gives up empty slabs.
  void Trim();

  // -- statistics: any context, no lock. Frames in slabs: of all CPUs, of one.
  std::uint64_t slab_frames() const;
  std::uint64_t slab_frames(machine::CpuId cpu) const {
    return cpus_[cpu].slab_frames.load(std::memory_order_relaxed);
  }

 private:
  struct Block {
    Block* next;
  };
  struct Outbox {
    Block* first = nullptr;
    Block* last = nullptr;
    std::uint32_t count = 0;
  };
  // Slabs of one kind, at home on one CPU. A slab is active (its free blocks are in `free`, and its
  // own count takes all its blocks for used), partial (has free blocks), or full (in no list).
  struct alignas(64) Bin {
    Block* free = nullptr;
    Frame* active = nullptr;
    IntrusiveList<Frame> partial;
    Frame* spare = nullptr;  // the one empty slab that is kept, in partial too
  };
  struct alignas(64) CpuHeap {
    Outbox outbox[machine::kMaxCpus];
    std::atomic<std::uint64_t> slab_frames{0};  // written here only
    alignas(64) BlockInbox<Block> inbox;        // written by other CPUs
  };

  static unsigned ClassOf(std::size_t size);
  static std::size_t SizeOf(unsigned kind) { return kSmallest << kind % kClasses; }
  // Blocks lie in the direct map.
  Frame* FrameOf(const void* block) const {
    return frames_.FrameOf(static_cast<PhysAddr>(static_cast<const char*>(block) -
                                                 machine::PhysToVirt<const char>(0)));
  }

  // slab_cpu of the first frame of a run, no CPU's: what is freed takes the foreign path. slab.used
  // is then its length.
  static constexpr std::uint8_t kRun = 0xff;
  void* AllocateBlock(unsigned kind);
  static void* Given(Block* block, unsigned kind);
  void FreeAtHome(std::uint32_t cpu, Frame* slab, Block* block);
  // Out of line, so that what is left has no atomic instruction (tests/checks/heap_path.py).
  [[gnu::noinline]] void* AllocateSlow(unsigned kind);
  [[gnu::noinline]] void* AllocateRun(std::size_t size);
  [[gnu::noinline]] void FreeSlow(std::uint32_t cpu, Frame* slab, Block* block);
  [[gnu::noinline]] void FreeNotActive(std::uint32_t cpu, Frame* slab, Block* block);
  Frame* NewSlab(std::uint32_t cpu, unsigned kind);
  static void Activate(Bin& bin, Frame* slab, unsigned kind);
  void Deactivate(std::uint32_t cpu, Bin& bin);
  void DropSlab(std::uint32_t cpu, Frame* slab);
  [[gnu::noinline]] void SendHome(Outbox& outbox, std::uint32_t home);
  void TakeInbox(std::uint32_t cpu);

  FrameAllocator& frames_;
  Bin bins_[machine::kMaxCpus][kSlabKinds];
  CpuHeap cpus_[machine::kMaxCpus];
};

// -- the kernel's one heap
// -------------------------------------------------------------------------- Set by boot/ as soon
// as there are frames. Before (and in hosted tests that set none) the platform's fallback serves.
void SetHeap(Allocator* heap);
Allocator& TheHeap();

void* Allocate(std::size_t size, AllocKind kind = AllocKind::kShared);
void Free(void* block, std::size_t size, AllocKind kind = AllocKind::kShared);

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
