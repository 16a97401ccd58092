// The arena's data area, shared out: ranges for rings and records, message buffers, and the windows
// through which peers reach them.
//
// The data area is cut into chunks of 1 MiB, each used for one purpose (the unit of registration
// with a NIC; the table in the arena says which). Ranges are runs of pages inside one chunk, a
// power of two long and aligned to their length. A chunk goes back to free with its last range.
//
// Windows: closed -> open (generation odd) -> closing (generation even, still taken) -> closed. A
// window is closing until the fabric has said that nothing touches it any more; only then may its
// range be freed.
//
// Locking: one spin lock (kFabricArena) over both tables. Any thread context.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/arena_layout.h"
#include "base/bitmap.h"
#include "base/lock_rank.h"
#include "base/thread_annotations.h"
#include "global/link_request.h"
#include "machine/spin_lock.h"

namespace k42::global {

// A piece of the arena: where the kernel sees it, and how operations name it.
struct ArenaRange {
  std::byte* memory = nullptr;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

class LinkMemory {
 public:
  static constexpr std::uint32_t kMaxManagedChunks = 1024;

  // `base` is the formatted arena. Once.
  void Start(std::byte* base, const abi::ArenaLayout& layout);

  // At least `size` bytes (at most 1 MiB), zeroed. kNoMemory when the arena is full.
  Result<ArenaRange> Allocate(std::uint64_t size, abi::ChunkUse use);
  // No window may be open or closing over it, and no operation may name it.
  void Free(const ArenaRange& range);

  // Peers may do `access` to the range; only `peer` if it names a node.
  Result<abi::WindowId> OpenWindow(const ArenaRange& range, std::uint32_t access,
                                   LinkPeer peer = {});
  // No new transfer starts. Then a kRevokeWindow operation for `id` must be submitted, and at its
  // end, if it is kDone, WindowClosed. (kUnknown: a neighbour that was thrown out may still have
  // the arena mapped; window and range are left alone for good: the node's next life has a new
  // arena.)
  void CloseWindow(abi::WindowId id);
  void WindowClosed(abi::WindowId id);

  std::uint64_t free_chunks();

 private:
  static constexpr std::uint32_t kPagesPerChunk = abi::kChunkSize / abi::kArenaPage;
  struct Chunk {
    Bitmap<kPagesPerChunk> pages;
    std::uint32_t used = 0;
  };

  abi::ChunkEntry& Entry(std::uint32_t chunk);
  abi::WindowEntry& Window(std::uint32_t index);
  bool TakeIn(std::uint32_t chunk, std::uint32_t pages, std::uint32_t* first) K42_REQUIRES(lock_);

  machine::SpinLock<LockRank::kFabricArena> lock_;
  std::byte* base_ = nullptr;
  abi::ArenaLayout layout_{};
  Chunk chunks_[kMaxManagedChunks] K42_GUARDED_BY(lock_);
  Bitmap<abi::kMaxWindows> windows_taken_ K42_GUARDED_BY(lock_);
  // The arena's copy is for the others; what they make of it is not believed here.
  std::uint32_t generations_[abi::kMaxWindows] K42_GUARDED_BY(lock_) = {};
};

}  // namespace k42::global
