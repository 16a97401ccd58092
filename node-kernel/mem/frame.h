// Frames: the 4 KiB pieces of physical memory, one descriptor each, kept by chunks of 2 MiB.
//
// States of a frame (FrameState) and who may touch its descriptor then:
//   absent   no RAM behind it, or not ours                    nobody
//   free     in its node's pool                               the pool, under its lock
//   cached   in a CPU's cache of free frames                  that CPU
//   used     references > 0                                   its users
// `references` counts who keeps the frame: entries of Fcms, pins of transfers under way. Whoever
// drops the last one gives it back. Copy on write is nothing but a count above one.
// A slab frame (heap) is used with one reference; `slab` is its home CPU's. So each descriptor has
// a cache line of its own: neighbours belong to different CPUs. Debug builds fill free and cached
// frames that were used before (`filled`) and look at the fill when they are handed out again: who
// wrote in between had no right to, or an old translation.
//
// Descriptors of whole chunks are made when the first frame of the chunk is wanted (FramePool): a
// machine's start, and what a small program makes resident, do not grow with its memory. Until then
// the chunk is *untouched*: free, but without entry in the table.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/align.h"
#include "base/bitmap.h"
#include "base/intrusive_list.h"
#include "mem/types.h"

namespace k42::mem {

enum class FrameState : std::uint8_t { kAbsent, kFree, kCached, kUsed };

struct alignas(64) Frame : ListLink<> {
  struct PageUse {
    void* owner;         // the FcmFile whose page this is; null for all other frames
    std::uint64_t page;  // index in it
  };
  struct TableUse {
    void* owner;         // null
    std::uint64_t used;  // a page-table page: bit per kHatGroup entries, set when one was used
  };
  struct SlabUse {
    void* free;          // first free block
    std::uint32_t used;  // blocks handed out
  };

  PhysAddr address = 0;
  std::atomic<std::uint32_t> references{0};
  FrameState state = FrameState::kAbsent;
  std::uint8_t node = 0;
  std::uint8_t slab_class = 0;
  std::uint8_t slab_cpu = 0;
  bool filled = false;    // debug builds
  bool unmapped = false;  // free, and was taken out of page tables; debug builds
  union {
    PageUse page = {nullptr, 0};
    TableUse table;
    SlabUse slab;
  };
};
static_assert(sizeof(Frame) == 64, "1.6 % of memory");

// 2 MiB of physical memory, aligned. Its frames are handed out singly, in runs, or all at once as
// one large page; a chunk whose frames have all come back is large again by itself.
struct ChunkFrames {
  Frame frames[kPagesPerLargePage];
};
struct Chunk : ChunkFrames, ListLink<> {  // the frames first: a block's descriptor is found often
  // What is written for each frame lies together: CPUs take frames of one chunk in turns.
  PhysAddr address = 0;
  std::uint16_t free_count = 0;
  std::uint16_t usable_count = 0;
  std::uint8_t node = 0;
  std::uint64_t free_words[kPagesPerLargePage / 64] = {};  // bit set: frame is free

  BitmapView free_map() { return BitmapView(free_words, kPagesPerLargePage); }
  bool is_large() const { return free_count == kPagesPerLargePage; }
};

// A row of chunks that are all free and without descriptors.
struct UntouchedChunks {
  PhysAddr address = 0;  // of the first
  std::uint64_t count = 0;
  Chunk** entries = nullptr;         // of the ChunkTable
  std::byte* descriptors = nullptr;  // room for them, kChunkStride apart, contents undefined
  std::uint8_t node = 0;
};
inline constexpr std::uint64_t kChunkStride = AlignUp(sizeof(Chunk), 64);

// From an address to its chunk and descriptor. Holes of the memory map have no chunk.
class ChunkTable {
 public:
  Chunk* ChunkOf(PhysAddr address) const {
    return *reinterpret_cast<Chunk**>(origin_ + address / kLargePageSize * kEntrySize);
  }
  Frame* FrameOf(PhysAddr address) const {
    return &ChunkOf(address)->frames[address / kPageSize % kPagesPerLargePage];
  }

 private:
  friend class FrameAllocator;
  static constexpr std::uint64_t kEntrySize = sizeof(std::uintptr_t);  // a Chunk*
  void Place(Chunk** chunks) {
    chunks_ = chunks;
    origin_ = reinterpret_cast<std::uintptr_t>(chunks) - first_ * kEntrySize;
  }

  std::uintptr_t origin_ = 0;  // where address 0's entry would be: one subtraction less per block
  Chunk** chunks_ = nullptr;   // by address / 2 MiB - first_
  std::uint64_t first_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace k42::mem
