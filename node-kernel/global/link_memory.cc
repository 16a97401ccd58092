#include "global/link_memory.h"

#include <bit>
#include <cstring>

#include "base/assert.h"

namespace k42::global {

namespace {

constexpr machine::HoldReason kSearch{20000, "free pages in a row are looked for, chunk by chunk"};

}  // namespace

void LinkMemory::Start(std::byte* base, const abi::ArenaLayout& layout) {
  base_ = base;
  layout_ = layout;
}

abi::ChunkEntry& LinkMemory::Entry(std::uint32_t chunk) {
  return reinterpret_cast<abi::ChunkEntry*>(base_ + layout_.chunks)[chunk];
}

abi::WindowEntry& LinkMemory::Window(std::uint32_t index) {
  return reinterpret_cast<abi::WindowEntry*>(base_ + layout_.windows)[index];
}

// A free, aligned run of pages in that chunk.
bool LinkMemory::TakeIn(std::uint32_t chunk, std::uint32_t pages, std::uint32_t* first) {
  Chunk& in = chunks_[chunk];
  for (std::uint32_t start = 0; start + pages <= kPagesPerChunk; start += pages) {
    const std::size_t taken = in.pages.FindSet(start);
    if (taken != BitmapView::kNone && taken < start + pages)
      continue;
    for (std::uint32_t page = start; page < start + pages; ++page) in.pages.Set(page);
    in.used += pages;
    *first = start;
    return true;
  }
  return false;
}

Result<ArenaRange> LinkMemory::Allocate(std::uint64_t size, abi::ChunkUse use) {
  if (size == 0 || size > abi::kChunkSize || base_ == nullptr)
    return Status::kInvalidArgument;
  const auto pages = static_cast<std::uint32_t>(std::bit_ceil(abi::AlignUp(size, abi::kArenaPage)) /
                                                abi::kArenaPage);
  const std::uint32_t count =
      layout_.chunk_count < kMaxManagedChunks ? layout_.chunk_count : kMaxManagedChunks;
  ArenaRange range;
  {
    machine::SpinGuard guard(lock_, kSearch);
    // First a chunk that has this use already, then a free one.
    for (const abi::ChunkUse wanted : {use, abi::ChunkUse::kFree}) {
      for (std::uint32_t chunk = 0; chunk < count && range.size == 0; ++chunk) {
        std::uint32_t first = 0;
        if (Entry(chunk).use.load(std::memory_order_relaxed) != wanted ||
            !TakeIn(chunk, pages, &first))
          continue;
        Entry(chunk).use.store(use, std::memory_order_release);
        range.offset = layout_.data + chunk * abi::kChunkSize + first * abi::kArenaPage;
        range.size = pages * abi::kArenaPage;
      }
    }
  }
  if (range.size == 0)
    return Status::kNoMemory;
  range.memory = base_ + range.offset;
  std::memset(range.memory, 0, range.size);
  return range;
}

void LinkMemory::Free(const ArenaRange& range) {
  const std::uint64_t inside = range.offset - layout_.data;
  const auto chunk = static_cast<std::uint32_t>(inside / abi::kChunkSize);
  const auto first = static_cast<std::uint32_t>(inside % abi::kChunkSize / abi::kArenaPage);
  const auto pages = static_cast<std::uint32_t>(range.size / abi::kArenaPage);
  machine::SpinGuard guard(lock_);
  K42_ASSERT(layout_.InData(range.offset, range.size) && chunk < kMaxManagedChunks,
             "not a range of the arena");
  Chunk& in = chunks_[chunk];
  for (std::uint32_t page = first; page < first + pages; ++page) {
    K42_ASSERT(in.pages.Test(page), "arena range freed twice");
    in.pages.Clear(page);
  }
  in.used -= pages;
  if (in.used == 0)
    Entry(chunk).use.store(abi::ChunkUse::kFree, std::memory_order_release);
}

Result<abi::WindowId> LinkMemory::OpenWindow(const ArenaRange& range, std::uint32_t access,
                                             LinkPeer peer) {
  machine::SpinGuard guard(lock_);
  const std::size_t index = windows_taken_.FindClear();
  if (index == BitmapView::kNone)
    return Status::kLimitExceeded;
  windows_taken_.Set(index);
  abi::WindowEntry& entry = Window(static_cast<std::uint32_t>(index));
  entry.access = access;
  entry.offset = range.offset;
  entry.size = range.size;
  entry.peer_node = peer.node;
  entry.peer_incarnation = peer.incarnation;
  const std::uint32_t generation = ++generations_[index];
  entry.generation.store(generation, std::memory_order_release);
  return abi::MakeWindowId(static_cast<std::uint32_t>(index), generation);
}

void LinkMemory::CloseWindow(abi::WindowId id) {
  machine::SpinGuard guard(lock_);
  abi::WindowEntry& entry = Window(abi::WindowIndex(id));
  std::uint32_t& generation = generations_[abi::WindowIndex(id)];
  K42_ASSERT(generation == abi::WindowGeneration(id), "window closed twice");
  entry.generation.store(++generation);
}

void LinkMemory::WindowClosed(abi::WindowId id) {
  machine::SpinGuard guard(lock_);
  windows_taken_.Clear(abi::WindowIndex(id));
}

std::uint64_t LinkMemory::free_chunks() {
  machine::SpinGuard guard(lock_);
  std::uint64_t free = 0;
  for (std::uint32_t chunk = 0; chunk < layout_.chunk_count; ++chunk)
    free += Entry(chunk).use.load(std::memory_order_relaxed) == abi::ChunkUse::kFree ? 1 : 0;
  return free;
}

}  // namespace k42::global
