#include "mem/frame_pool.h"

#include "base/assert.h"

namespace k42::mem {

using machine::SpinGuard;

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
  Adjust(free_frames_, -static_cast<std::int64_t>(count));
}

std::size_t FramePool::Take(std::span<Frame*> frames, std::uint64_t reserve) {
  const SpinGuard guard(lock_);
  std::size_t taken = 0;
  while (taken < frames.size() && free_frames() > reserve) {
    Chunk* chunk = partial_.Front();
    if (chunk == nullptr) {
      chunk = large_.PopFront();
      partial_.PushFront(chunk);
    }
    const auto index = static_cast<std::uint32_t>(chunk->free_map().FindSet());
    TakeFromChunkLocked(chunk, index, 1);
    if (chunk->free_count == 0) {
      partial_.Remove(chunk);
    }
    frames[taken++] = &chunk->frames[index];
  }
  return taken;
}

void FramePool::Give(std::span<Frame* const> frames, const ChunkTable& table) {
  const SpinGuard guard(lock_);
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
  const SpinGuard guard(lock_);
  if (pages == 0 || pages > kPagesPerLargePage || free_frames() < pages + reserve) {
    return nullptr;
  }
  if (pages < kPagesPerLargePage) {
    for (Chunk& chunk : partial_) {
      if (chunk.free_count >= pages) {
        if (Frame* first = TakeRunFromLocked(&chunk, pages)) {
          return first;
        }
      }
    }
  }
  Chunk* chunk = large_.Front();
  return chunk == nullptr ? nullptr : TakeRunFromLocked(chunk, pages);
}

}  // namespace k42::mem
