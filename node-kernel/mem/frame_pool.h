// FramePool: the free frames of one NUMA node.
//
// Chunks stand in one of two lists: `large_` (all 512 frames free) or `partial_` (some free); a
// chunk without free frames is in neither. Single frames come from partial chunks first, so that
// large ones stay whole as long as possible.
//
// Locking: lock_ guards the lists, the chunks and the descriptors of their free frames. Work under
// it is bounded by the batch asked for, except for runs (a scan over partial chunks: contiguous
// buffers are rare).
#pragma once

#include <span>

#include "machine/spin_lock.h"
#include "mem/frame.h"

namespace k42::mem {

class FramePool {
 public:
  // A chunk whose free map is set up. Before the pool is used by others.
  void AddChunk(Chunk* chunk);

  // Fills `frames` as far as possible while more than `reserve` frames stay; returns how many.
  std::size_t Take(std::span<Frame*> frames, std::uint64_t reserve);
  void Give(std::span<Frame* const> frames, const ChunkTable& table);

  // `pages` frames in a row within one chunk (at most 512): the first of them, or null.
  Frame* TakeRun(std::uint32_t pages, std::uint64_t reserve);

  // May be read at any time.
  std::uint64_t free_frames() const { return free_frames_.load(std::memory_order_relaxed); }
  std::uint64_t large_chunks() const { return large_chunks_.load(std::memory_order_relaxed); }

 private:
  Frame* TakeRunFromLocked(Chunk* chunk, std::uint32_t pages) K42_REQUIRES(lock_);
  void TakeFromChunkLocked(Chunk* chunk, std::uint32_t first, std::uint32_t count)
      K42_REQUIRES(lock_);
  void PlaceLocked(Chunk* chunk) K42_REQUIRES(lock_);
  static void Adjust(std::atomic<std::uint64_t>& counter, std::int64_t by) {
    counter.store(counter.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(by),
                  std::memory_order_relaxed);
  }

  machine::SpinLock<LockRank::kFrames> lock_;
  IntrusiveList<Chunk> large_ K42_GUARDED_BY(lock_);
  IntrusiveList<Chunk> partial_ K42_GUARDED_BY(lock_);
  std::atomic<std::uint64_t> free_frames_{0};  // written under lock_
  std::atomic<std::uint64_t> large_chunks_{0};
};

}  // namespace k42::mem
