#include "mem/frame_allocator.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/align.h"
#include "base/assert.h"
#include "machine/log.h"
#include "machine/page_table.h"

namespace k42::mem {

namespace {

// What Initialise carves from the largest range for its own tables. Contents undefined.
struct Carver {
  PhysAddr next;
  std::byte* Take(std::uint64_t size) {
    auto* block = machine::PhysToVirt<std::byte>(next);
    next += AlignUp(size, 64);
    return block;
  }
};

constexpr std::uint64_t kFrameFill = 0xdfdf'dfdf'dfdf'dfdf;

}  // namespace

void FrameAllocator::Fill(Frame* frame) {
  const machine::UncountedWork uncounted;
  auto* words = Data<std::uint64_t>(frame);
  for (std::size_t i = 0; i < kPageSize / sizeof(*words); ++i) {
    words[i] = kFrameFill;
  }
  frame->filled = true;
}

void FrameAllocator::CheckFill(Frame* frame) {
  const machine::UncountedWork uncounted;
  if (!frame->filled) {
    return;
  }
  frame->filled = false;
  const auto* words = Data<const std::uint64_t>(frame);
  for (std::size_t i = 0; i < kPageSize / sizeof(*words); ++i) {
    if (words[i] != kFrameFill) [[unlikely]] {
      machine::Panic("frame {x} was written after it was freed: {x16} at {x}", frame->address,
                     words[i], i * sizeof(*words));
    }
  }
}

Status FrameAllocator::Initialise(std::span<const MemoryRange> free, std::uint32_t cpus) {
  if (free.empty()) {
    return Status::kInvalidArgument;
  }
  // 1. The span of chunks, and how many of them hold memory at all.
  table_.first_ = free.front().begin / kLargePageSize;
  table_.count_ = DivideUp<std::uint64_t>(free.back().end, kLargePageSize) - table_.first_;
  std::uint64_t inhabited = 0;
  std::uint64_t last_counted = ~std::uint64_t{0};
  const MemoryRange* largest = &free.front();
  for (const MemoryRange& range : free) {
    for (std::uint64_t chunk = range.begin / kLargePageSize; chunk * kLargePageSize < range.end;
         ++chunk) {
      inhabited += chunk != last_counted ? 1 : 0;
      last_counted = chunk;
    }
    if (range.end - range.begin > largest->end - largest->begin) {
      largest = &range;
    }
  }
  // 2. Room for the descriptors, at the front of the largest range.
  const std::uint64_t table_size = AlignUp(table_.count_ * sizeof(Chunk*), 64);
  const std::uint64_t needed = AlignUp(table_size + inhabited * kChunkStride, kPageSize);
  if (needed >= largest->end - largest->begin) {
    return Status::kNoMemory;
  }
  descriptor_bytes_ = needed;
  Carver carver{largest->begin};
  std::byte* const table = carver.Take(table_size);
  std::memset(table, 0, table_size);
  table_.Place(reinterpret_cast<Chunk**>(table));
  // 3. Whole chunks stay untouched; of the others the descriptors are made, and in them the frames
  // that are ours.
  const auto add_frames = [&](const MemoryRange& part) {
    for (std::uint64_t index = part.begin / kLargePageSize; index * kLargePageSize < part.end;
         ++index) {
      Chunk*& chunk = table_.chunks_[index - table_.first_];
      if (chunk == nullptr) {
        chunk = new (carver.Take(sizeof(Chunk))) Chunk;
        chunk->address = index * kLargePageSize;
        chunk->node = part.node;
      }
    }
    AddRange(part);
  };
  for (const MemoryRange& range : free) {
    K42_ASSERT(range.node < kMaxNodes, "more NUMA nodes than pools");
    MemoryRange usable = range;
    if (&range == largest) {
      usable.begin += needed;
    }
    const MemoryRange whole = {std::min(AlignUp(usable.begin, kLargePageSize), usable.end),
                               std::max(AlignDown(usable.end, kLargePageSize), usable.begin),
                               range.node};
    if (whole.begin >= whole.end ||
        !AddUntouched(whole, machine::PhysToVirt<std::byte>(carver.next))) {
      add_frames(usable);
      continue;
    }
    carver.Take((whole.end - whole.begin) / kLargePageSize * kChunkStride);
    add_frames({usable.begin, whole.begin, range.node});
    add_frames({whole.end, usable.end, range.node});
  }
  for (std::uint64_t i = 0; i < table_.count_; ++i) {
    if (table_.chunks_[i] != nullptr) {
      pools_[table_.chunks_[i]->node].AddChunk(table_.chunks_[i]);
    }
  }
  // 4. Reserves: 1/64 of memory for the kernel (at least 64 frames), a quarter of that for
  // progress.
  user_reserve_ = total_frames_ / 64 > 64 ? total_frames_ / 64 : 64;
  kernel_reserve_ = user_reserve_ / 4;
  const std::uint8_t node = free.front().node;
  for (std::uint32_t cpu = 0; cpu < cpus && cpu < machine::kMaxCpus; ++cpu) {
    caches_[cpu].node = node;
  }
  return Status::kOk;
}

// False: the node's pool knows as many rows as it can.
bool FrameAllocator::AddUntouched(const MemoryRange& whole, std::byte* descriptors) {
  const std::uint64_t count = (whole.end - whole.begin) / kLargePageSize;
  Chunk** const entries = table_.chunks_ + (whole.begin / kLargePageSize - table_.first_);
  if (!pools_[whole.node].AddUntouched({whole.begin, count, entries, descriptors, whole.node})) {
    return false;
  }
  total_frames_ += count * kPagesPerLargePage;
  return true;
}

void FrameAllocator::AddRange(const MemoryRange& range) {
  for (PhysAddr address = range.begin; address < range.end; address += kPageSize) {
    Chunk* chunk = table_.ChunkOf(address);
    Frame* frame = FrameOf(address);
    frame->address = address;
    frame->node = chunk->node;  // a chunk split between nodes counts as its first part's
    frame->state = FrameState::kFree;
    chunk->free_map().Set(static_cast<std::size_t>(frame - chunk->frames));
    ++chunk->free_count;
    ++chunk->usable_count;
    ++total_frames_;
  }
}

std::uint64_t FrameAllocator::ReserveOf(FramePurpose purpose) const {
  const std::uint64_t promised = promises_.count();
  switch (purpose) {
    case FramePurpose::kUser:
      return user_reserve_ + promised;
    case FramePurpose::kKernel:
      return kernel_reserve_ + promised;
    case FramePurpose::kProgress:
      return promised;
    case FramePurpose::kPromised:
      break;
  }
  return 0;
}

Status FrameAllocator::Promise(std::uint64_t frames) {
  return promises_.Make(frames, kPromisedReserves * user_reserve_, user_reserve_,
                        [this] { return frames_without_caches(); });
}

// What was just taken for `purpose` was promised to somebody else.
bool FrameAllocator::IsPromised(FramePurpose purpose) const {
  return purpose != FramePurpose::kPromised &&
         promises_.TookPromised([this] { return frames_without_caches(); });
}

// The CPU's own node first, then the others.
Status FrameAllocator::Refill(CpuCache& cache, FramePurpose purpose) {
  const std::uint64_t reserve = ReserveOf(purpose);
  // More than one of those promised would be others'.
  const std::uint32_t batch = purpose == FramePurpose::kPromised ? 1 : kBatch;
  for (std::uint32_t i = 0; i < kMaxNodes; ++i) {
    FramePool& pool = pools_[(cache.node + i) % kMaxNodes];
    // The reserve is one for all nodes: a node may be emptied while others have frames.
    const std::uint64_t elsewhere = frames_without_caches() - pool.free_frames();
    const std::uint64_t here = reserve > elsewhere ? reserve - elsewhere : 0;
    const std::size_t taken = pool.Take(std::span(cache.frames, batch), here);
    if (taken != 0) {
      if (IsPromised(purpose)) [[unlikely]] {
        pool.Give(std::span(cache.frames, taken), table_);
        return Status::kNoMemory;
      }
      cache.count.store(static_cast<std::uint32_t>(taken), kRelaxed);
      for (std::size_t k = 0; k < taken; ++k) {
        cache.frames[k]->state = FrameState::kCached;
      }
      return Status::kOk;
    }
  }
  return Status::kNoMemory;
}

// Inline: half of what a frame costs that is there.
[[gnu::always_inline]] inline Frame* FrameAllocator::MarkUsed(Frame* frame) {
  K42_DCHECK(frame->state == FrameState::kCached, "cache holds a frame in use");
  frame->state = FrameState::kUsed;
  frame->page = {nullptr, 0};
  frame->references.store(1, std::memory_order_relaxed);
  return frame;
}

// There is one.
Frame* FrameAllocator::TakeCleared(CpuCache& cache) {
  const std::uint32_t count = cache.cleared_count.load(kRelaxed) - 1;
  cache.cleared_count.store(count, kRelaxed);
  return MarkUsed(cache.cleared[count]);
}

Result<Frame*> FrameAllocator::Allocate(FramePurpose purpose) {
  if (purpose < FramePurpose::kProgress && failures_.ShouldFail()) {
    return Status::kNoMemory;
  }
  CpuCache& cache = caches_[machine::CurrentCpu()];
  if (cache.count.load(kRelaxed) == 0) [[unlikely]] {
    if (cache.cleared_count.load(kRelaxed) != 0) {
      return TakeCleared(cache);
    }
    TRY(Refill(cache, purpose));
  }
  const std::uint32_t count = cache.count.load(kRelaxed) - 1;
  if constexpr (kDebugChecks) {
    cache.reuse.Choose(std::span(cache.frames, count + 1));
  }
  Frame* frame = cache.frames[count];
  cache.count.store(count, kRelaxed);
  if constexpr (kDebugChecks) {
    CheckFill(frame);
    frame->unmapped = false;
  }
  return MarkUsed(frame);
}

Result<Frame*> FrameAllocator::AllocateZeroed(FramePurpose purpose) {
  CpuCache& cache = caches_[machine::CurrentCpu()];
  if (cache.cleared_count.load(kRelaxed) != 0) {
    if (purpose < FramePurpose::kProgress && failures_.ShouldFail()) {
      return Status::kNoMemory;
    }
    return TakeCleared(cache);
  }
  Frame* frame = TRY(Allocate(purpose));
  machine::ClearPage(Data(frame));
  return frame;
}

// Debug kernels look whether it is true, and hand none out unseen (Fill).
void FrameAllocator::GiveCleared(Frame* frame) {
  CpuCache& cache = caches_[machine::CurrentCpu()];
  if constexpr (kDebugChecks) {
    const machine::UncountedWork uncounted;
    const auto* words = Data<const std::uint64_t>(frame);
    for (std::size_t i = 0; i < kPageSize / sizeof(*words); ++i) {
      K42_ASSERT(words[i] == 0, "a frame is not all zero");
    }
  }
  if (kDebugChecks || frame->node != cache.node || !WantsCleared()) {
    DropReference(frame);
    return;
  }
  const std::uint32_t count = cache.cleared_count.load(kRelaxed);
  frame->state = FrameState::kCached;
  cache.cleared[count] = frame;
  cache.cleared_count.store(count + 1, kRelaxed);
}

void FrameAllocator::Free(Frame* frame) {
  K42_DCHECK(frame->state == FrameState::kUsed && !frame->linked(), "frame freed while in use");
  if constexpr (kDebugChecks) {
    Fill(frame);
  }
  CpuCache& cache = caches_[machine::CurrentCpu()];
  if (frame->node != cache.node) [[unlikely]] {
    pools_[frame->node].Give(std::span(&frame, 1), table_);
    return;
  }
  if (cache.count.load(kRelaxed) == kCacheSize) [[unlikely]] {
    Drain(cache);
  }
  const std::uint32_t count = cache.count.load(kRelaxed);
  frame->state = FrameState::kCached;
  cache.frames[count] = frame;
  cache.count.store(count + 1, kRelaxed);
}

// Gives the older half back: all of one node, unless a refill had to go elsewhere.
void FrameAllocator::Drain(CpuCache& cache) {
  if constexpr (kDebugChecks) {
    cache.reuse.Shuffle(cache.frames);
  }
  const std::uint32_t rest = cache.count.load(kRelaxed) - kBatch;
  for (std::uint32_t i = 0; i < kBatch;) {
    std::uint32_t end = i + 1;
    while (end < kBatch && cache.frames[end]->node == cache.frames[i]->node) {
      ++end;
    }
    pools_[cache.frames[i]->node].Give(std::span(&cache.frames[i], end - i), table_);
    i = end;
  }
  for (std::uint32_t i = 0; i < rest; ++i) {
    cache.frames[i] = cache.frames[i + kBatch];
  }
  cache.count.store(rest, kRelaxed);
}

Result<Frame*> FrameAllocator::AllocateRun(std::uint32_t pages, FramePurpose purpose) {
  if (purpose < FramePurpose::kProgress && failures_.ShouldFail()) {
    return Status::kNoMemory;
  }
  const std::uint8_t own = caches_[machine::CurrentCpu()].node;
  for (std::uint32_t i = 0; i < kMaxNodes; ++i) {
    Frame* first = pools_[(own + i) % kMaxNodes].TakeRun(pages, ReserveOf(purpose));
    if (first != nullptr) {
      if (IsPromised(purpose)) [[unlikely]] {
        for (std::uint32_t k = 0; k < pages; ++k) {
          Frame* const frame = &first[k];
          pools_[frame->node].Give(std::span(&frame, 1), table_);
        }
        return Status::kNoMemory;
      }
      for (std::uint32_t k = 0; k < pages; ++k) {
        if constexpr (kDebugChecks) {
          CheckFill(&first[k]);
          first[k].unmapped = false;
        }
        first[k].state = FrameState::kUsed;
        first[k].page = {nullptr, 0};
        first[k].references.store(1, std::memory_order_relaxed);
      }
      return first;
    }
  }
  return Status::kNoMemory;
}

void FrameAllocator::FreeRun(Frame* first, std::uint32_t pages) {
  for (std::uint32_t i = 0; i < pages; ++i) {
    DropReference(&first[i]);
  }
}

void FrameAllocator::SetReuse(std::uint64_t seed) {
  for (std::uint32_t cpu = 0; cpu < machine::kMaxCpus; ++cpu) {
    caches_[cpu].reuse.Start(seed, cpu);
  }
}

std::uint64_t FrameAllocator::frames_without_caches() const {
  std::uint64_t free = 0;
  for (const FramePool& pool : pools_) {
    free += pool.free_frames();
  }
  return free;
}

std::uint64_t FrameAllocator::free_frames() const {
  std::uint64_t free = frames_without_caches();
  for (const CpuCache& cache : caches_) {
    free += cache.count.load(kRelaxed) + cache.cleared_count.load(kRelaxed);
  }
  return free;
}

std::uint64_t FrameAllocator::large_chunks() const {
  std::uint64_t chunks = 0;
  for (const FramePool& pool : pools_) {
    chunks += pool.large_chunks();
  }
  return chunks;
}

}  // namespace k42::mem
