// Where everything in the arena lies: a pure function of its size and the CPU count, computed by
// kernel and daemon alike. A header that says otherwise is refused, so no offset is ever trusted.
#pragma once

#include <cstdint>

#include "abi/arena.h"
#include "abi/link_operation.h"
#include "abi/link_ring.h"
#include "base/load_once.h"
#include "base/result.h"

namespace k42::abi {

struct ArenaLayout {
  std::uint64_t arena_size = 0;
  std::uint32_t cpu_count = 0;
  std::uint32_t chunk_count = 0;
  std::uint64_t chunks = 0;
  std::uint64_t windows = 0;
  std::uint64_t operations = 0;
  std::uint64_t submit_rings = 0;
  std::uint64_t receive_rings = 0;
  std::uint64_t data = 0;      // multiple of kChunkSize
  std::uint64_t data_end = 0;  // multiple of kChunkSize, at or below the untouched top

  std::uint32_t OperationCount() const { return cpu_count * kOperationsPerCpu; }
  std::uint64_t SubmitRingAt(std::uint32_t cpu) const {
    return submit_rings + std::uint64_t{cpu} * sizeof(SubmitRingMemory);
  }
  std::uint64_t ReceiveRingAt(std::uint32_t cpu) const {
    return receive_rings + std::uint64_t{cpu} * sizeof(ReceiveRingMemory);
  }
  std::uint64_t OperationAt(std::uint32_t slot) const {
    return operations + std::uint64_t{slot} * sizeof(Operation);
  }
  // Is [offset, offset + length) inside the data area? The only memory an operation may name.
  bool InData(std::uint64_t offset, std::uint64_t length) const {
    return offset >= data && offset <= data_end && length <= data_end - offset;
  }
};

inline constexpr std::uint32_t kMaxChunks = kArenaPage / sizeof(ChunkEntry) * 16;

constexpr std::uint64_t AlignUp(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

inline Result<ArenaLayout> ComputeArenaLayout(std::uint64_t arena_size, std::uint32_t cpu_count) {
  if (arena_size < kArenaMinimum || arena_size > kArenaMaximum || arena_size % kChunkSize != 0)
    return Status::kInvalidArgument;
  if (cpu_count == 0 || cpu_count > kArenaMaxCpus)
    return Status::kInvalidArgument;
  ArenaLayout at;
  at.arena_size = arena_size;
  at.cpu_count = cpu_count;
  at.chunks = 2 * kArenaPage;
  std::uint64_t possible_chunks = arena_size / kChunkSize;
  if (possible_chunks > kMaxChunks)
    possible_chunks = kMaxChunks;
  at.windows = AlignUp(at.chunks + possible_chunks * sizeof(ChunkEntry), kArenaPage);
  at.operations = AlignUp(at.windows + kMaxWindows * sizeof(WindowEntry), kArenaPage);
  at.submit_rings =
      AlignUp(at.operations + std::uint64_t{at.OperationCount()} * sizeof(Operation), kArenaPage);
  at.receive_rings =
      AlignUp(at.submit_rings + std::uint64_t{cpu_count} * sizeof(SubmitRingMemory), kArenaPage);
  at.data =
      AlignUp(at.receive_rings + std::uint64_t{cpu_count} * sizeof(ReceiveRingMemory), kChunkSize);
  at.data_end = (arena_size - kArenaTopReserve) / kChunkSize * kChunkSize;
  if (at.data >= at.data_end)
    return Status::kNoSpace;
  std::uint64_t chunk_count = (at.data_end - at.data) / kChunkSize;
  if (chunk_count > kMaxChunks) {
    chunk_count = kMaxChunks;
    at.data_end = at.data + chunk_count * kChunkSize;
  }
  at.chunk_count = static_cast<std::uint32_t>(chunk_count);
  return at;
}

// The daemon's check of a header it found: every word loaded once, nothing believed.
inline Result<ArenaLayout> CheckArenaHeader(const ArenaHeader& header, std::uint64_t real_size) {
  if (header.state.load(std::memory_order_acquire) == KernelState::kUnformatted)
    return Status::kUnavailable;
  std::uint32_t cpu_count = LoadOnce(header.cpu_count);
  if (header.magic != kArenaMagic)
    return Status::kCorrupt;
  if (header.version != kArenaVersion || header.header_size != sizeof(ArenaHeader))
    return Status::kVersionMismatch;
  if (header.arena_size != real_size)
    return Status::kCorrupt;
  auto layout = ComputeArenaLayout(real_size, cpu_count);
  if (!layout.ok())
    return Status::kCorrupt;
  const ArenaLayout& at = layout.value();
  if (header.chunks != at.chunks || header.windows != at.windows ||
      header.operations != at.operations || header.submit_rings != at.submit_rings ||
      header.receive_rings != at.receive_rings || header.data != at.data)
    return Status::kCorrupt;
  return layout;
}

// A window as a peer names it, checked: the arena offset of [offset, offset + length) inside it.
// `entry` is a copy made after its generation was loaded.
inline Result<std::uint64_t> CheckWindow(const ArenaLayout& layout, std::uint32_t generation,
                                         std::uint64_t window_offset, std::uint64_t window_size,
                                         std::uint32_t window_access, WindowId id,
                                         std::uint64_t offset, std::uint64_t length,
                                         std::uint32_t access) {
  if (generation % 2 == 0 || generation != WindowGeneration(id))
    return Status::kRevoked;
  if (!layout.InData(window_offset, window_size))
    return Status::kCorrupt;
  if ((window_access & access) != access)
    return Status::kPermissionDenied;
  if (offset > window_size || length > window_size - offset)
    return Status::kOutOfRange;
  return window_offset + offset;
}

}  // namespace k42::abi
