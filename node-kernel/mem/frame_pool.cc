#include "mem/frame_pool.h"

#include <new>

#include "base/assert.h"

namespace k42::mem {

using machine::SpinGuard;

namespace {

constexpr machine::HoldReason kBatch{2500, "16 frames, each found in its chunk"};
constexpr machine::HoldReason kChunk{
    kChunkMade, "a chunk's 512 descriptors are made; who wants frames waits for them anyway"};
constexpr machine::HoldReason kScan{
    40000, "partial chunks are looked through for a run: contiguous buffers are rare"};
constexpr machine::HoldReason kRows{500, "a few rows, while the machine starts"};
constexpr machine::HoldReason kListed{100, "a chunk is looked for, or goes into its list"};

// The next chunk of a row, its descriptors made, all frames free.
Chunk* MakeChunk(UntouchedChunks& row) {
  auto* chunk = new (row.descriptors) Chunk;
  chunk->address = row.address;
  chunk->node = row.node;
  for (std::uint32_t i = 0; i < kPagesPerLargePage; ++i) {
    Frame& frame = chunk->frames[i];
    frame.address = row.address + i * kPageSize;
    frame.node = row.node;
    frame.state = FrameState::kFree;
  }
  for (std::uint64_t& word : chunk->free_words) {
    word = ~std::uint64_t{0};
  }
  chunk->free_count = kPagesPerLargePage;
  chunk->usable_count = kPagesPerLargePage;
  *row.entries = chunk;
  row.address += kLargePageSize;
  row.descriptors += kChunkStride;
  ++row.entries;
  --row.count;
  return chunk;
}

}  // namespace

bool FramePool::AddUntouched(const UntouchedChunks& chunks) {
  const SpinGuard guard(untouched_lock_, kRows);
  for (UntouchedChunks& row : untouched_) {
    if (row.count == 0) {
      row = chunks;
      const SpinGuard counts(lock_);
      Adjust(free_frames_, static_cast<std::int64_t>(chunks.count * kPagesPerLargePage));
      Adjust(large_chunks_, static_cast<std::int64_t>(chunks.count));
      return true;
    }
  }
  return false;
}

bool FramePool::Touch(std::uint64_t seen) {
  const SpinGuard guard(untouched_lock_, kChunk);
  {
    const SpinGuard look(lock_, kListed);
    if (touched_ != seen) {
      return true;
    }
  }
  for (UntouchedChunks& row : untouched_) {
    if (row.count != 0) {
      Chunk* chunk = MakeChunk(row);
      const SpinGuard place(lock_, kListed);
      large_.PushBack(chunk);  // counted long ago
      ++touched_;
      return true;
    }
  }
  return false;
}

void FramePool::AddChunk(Chunk* chunk) {
  const SpinGuard guard(lock_);
  Adjust(free_frames_, chunk->free_count);
  PlaceLocked(chunk);
}

// Puts a chunk into the list that its free count asks for.
void FramePool::PlaceLocked(Chunk* chunk) {
  if (chunk->is_large()) {
    large_.PushBack(chunk);
    Adjust(large_chunks_, 1);
  } else if (chunk->free_count != 0) {
    partial_.PushFront(chunk);
  }
}

void FramePool::TakeFromChunkLocked(Chunk* chunk, std::uint32_t first, std::uint32_t count) {
  BitmapView map = chunk->free_map();
  for (std::uint32_t i = first; i < first + count; ++i) {
    K42_DCHECK(map.Test(i) && chunk->frames[i].state == FrameState::kFree, "frame is not free");
    map.Clear(i);
  }
  if (chunk->is_large()) {
    Adjust(large_chunks_, -1);
  }
  chunk->free_count = static_cast<std::uint16_t>(chunk->free_count - count);
  free_frames_.fetch_sub(count, std::memory_order_seq_cst);  // before a look at what is promised
}

std::size_t FramePool::Take(std::span<Frame*> frames, std::uint64_t reserve) {
  for (;;) {
    const Taken<std::size_t> taken = TakeListed(frames, reserve);
    if (!taken.dry || !Touch(taken.touched)) {
      return taken.what;
    }
  }
}

FramePool::Taken<std::size_t> FramePool::TakeListed(std::span<Frame*> frames,
                                                    std::uint64_t reserve) {
  const SpinGuard guard(lock_, kBatch);
  std::size_t taken = 0;
  while (taken < frames.size() && free_frames() > reserve) {
    Chunk* chunk = partial_.Front();
    if (chunk == nullptr) {
      chunk = large_.PopFront();
      if (chunk == nullptr) {
        return {taken, taken == 0, touched_};
      }
      partial_.PushFront(chunk);
    }
    const auto index = static_cast<std::uint32_t>(chunk->free_map().FindSet());
    TakeFromChunkLocked(chunk, index, 1);
    if (chunk->free_count == 0) {
      partial_.Remove(chunk);
    }
    frames[taken++] = &chunk->frames[index];
  }
  return {taken, false, touched_};
}

void FramePool::Give(std::span<Frame* const> frames, const ChunkTable& table) {
  const SpinGuard guard(lock_, kBatch);
  for (Frame* frame : frames) {
    Chunk* chunk = table.ChunkOf(frame->address);
    const auto index = static_cast<std::uint32_t>(frame - chunk->frames);
    K42_ASSERT(!chunk->free_map().Test(index), "frame freed twice");
    frame->state = FrameState::kFree;
    chunk->free_map().Set(index);
    if (chunk->free_count++ == 0) {
      partial_.PushBack(chunk);
    }
    if (chunk->is_large()) {
      partial_.Remove(chunk);
      PlaceLocked(chunk);
    }
  }
  Adjust(free_frames_, static_cast<std::int64_t>(frames.size()));
}

Frame* FramePool::TakeRunFromLocked(Chunk* chunk, std::uint32_t pages) {
  const BitmapView map = chunk->free_map();
  for (std::size_t first = map.FindSet(); first != BitmapView::kNone;) {
    const std::size_t used = map.FindClear(first);
    const std::size_t end = used == BitmapView::kNone ? kPagesPerLargePage : used;
    if (end - first >= pages) {
      const bool was_large = chunk->is_large();
      TakeFromChunkLocked(chunk, static_cast<std::uint32_t>(first), pages);
      chunk->Unlink();
      if (was_large || chunk->free_count != 0) {
        PlaceLocked(chunk);
      }
      return &chunk->frames[first];
    }
    first = map.FindSet(end);
  }
  return nullptr;
}

Frame* FramePool::TakeRun(std::uint32_t pages, std::uint64_t reserve) {
  for (;;) {
    const Taken<Frame*> taken = TakeListedRun(pages, reserve);
    if (!taken.dry || !Touch(taken.touched)) {
      return taken.what;
    }
  }
}

FramePool::Taken<Frame*> FramePool::TakeListedRun(std::uint32_t pages, std::uint64_t reserve) {
  const SpinGuard guard(lock_, kScan);
  if (pages == 0 || pages > kPagesPerLargePage || free_frames() < pages + reserve) {
    return {nullptr, false, touched_};
  }
  if (pages < kPagesPerLargePage) {
    for (Chunk& chunk : partial_) {
      if (chunk.free_count >= pages) {
        if (Frame* first = TakeRunFromLocked(&chunk, pages)) {
          return {first, false, touched_};
        }
      }
    }
  }
  Chunk* chunk = large_.Front();
  if (chunk == nullptr) {
    return {nullptr, true, touched_};
  }
  return {TakeRunFromLocked(chunk, pages), false, touched_};
}

}  // namespace k42::mem
