// FramePool: the free frames of one NUMA node.
//
// Chunks stand in one of two lists: `large_` (all 512 frames free) or `partial_` (some free); a
// chunk without free frames is in neither. Single frames come from partial chunks first, so that
// large ones stay whole as long as possible. Untouched chunks come last: they count as large, and
// become so, one at a time, when the lists have nothing that will do.
//
// Locking: lock_ guards the lists, the chunks and the descriptors of their free frames. Work under
// it is bounded by the batch asked for, except for runs (a scan over partial chunks: contiguous
// buffers are rare). untouched_lock_ is held while a chunk's descriptors are made, some
// microseconds, by one who needs them; others who need some wait for the same chunk.
#pragma once

#include <span>

#include "machine/spin_lock.h"
#include "mem/frame.h"

namespace k42::mem {

// Instructions. What a frame may cost beside itself: one in 512 needs a chunk's descriptors made.
// For the bounds of locks that are held while one is taken (HoldReason).
inline constexpr std::uint32_t kChunkMade = 9000;

class FramePool {
 public:
  // A chunk whose free map is set up. Before the pool is used by others.
  void AddChunk(Chunk* chunk);
  // False: no room for one more row, the chunks must come one by one.
  bool AddUntouched(const UntouchedChunks& chunks);

  // Fills `frames` as far as possible while more than `reserve` frames stay; returns how many.
  std::size_t Take(std::span<Frame*> frames, std::uint64_t reserve);
  void Give(std::span<Frame* const> frames, const ChunkTable& table);

  // `pages` frames in a row within one chunk (at most 512): the first of them, or null.
  Frame* TakeRun(std::uint32_t pages, std::uint64_t reserve);

  // May be read at any time.
  // Sequentially consistent, as what takes frames is: see FrameAllocator::Promise.
  std::uint64_t free_frames() const { return free_frames_.load(std::memory_order_seq_cst); }
  std::uint64_t large_chunks() const { return large_chunks_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kMaxRows = 8;

  // What a look into the lists gave. `dry`: nothing, though the reserve would allow it.
  template <typename T>
  struct Taken {
    T what;
    bool dry;
    std::uint64_t touched;  // as touched_ was
  };
  Taken<std::size_t> TakeListed(std::span<Frame*> frames, std::uint64_t reserve);
  Taken<Frame*> TakeListedRun(std::uint32_t pages, std::uint64_t reserve);
  // True: a chunk has been added since touched_ was `seen`, it is worth another look.
  bool Touch(std::uint64_t seen);
  Frame* TakeRunFromLocked(Chunk* chunk, std::uint32_t pages) K42_REQUIRES(lock_);
  void TakeFromChunkLocked(Chunk* chunk, std::uint32_t first, std::uint32_t count)
      K42_REQUIRES(lock_);
  void PlaceLocked(Chunk* chunk) K42_REQUIRES(lock_);
  static void Adjust(std::atomic<std::uint64_t>& counter, std::int64_t by) {
    counter.store(counter.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(by),
                  std::memory_order_relaxed);
  }

  machine::SpinLock<LockRank::kUntouched> untouched_lock_;
  UntouchedChunks untouched_[kMaxRows] K42_GUARDED_BY(untouched_lock_) = {};
  // One line, all of which who takes or gives frames writes.
  alignas(64) machine::SpinLock<LockRank::kFrames> lock_;
  std::uint64_t touched_ K42_GUARDED_BY(lock_) = 0;  // how many have been
  IntrusiveList<Chunk> large_ K42_GUARDED_BY(lock_);
  IntrusiveList<Chunk> partial_ K42_GUARDED_BY(lock_);
  std::atomic<std::uint64_t> free_frames_{0};  // written under lock_
  std::atomic<std::uint64_t> large_chunks_{0};
};

}  // namespace k42::mem
