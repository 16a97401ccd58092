// ObjectTable: the node's global table. Entry i belongs to slot i of every CPU's local table and
// holds the way to the object's root.
//
// It grows in chunks of 256 entries (4 KiB of slots on each CPU), up to what a local table can
// hold. A chunk for which memory ran out is tried again before a further one. Ids are handed out
// per CPU, without a lock: each CPU has a list of free ones. Freed ids join the list of the CPU
// that freed them; what is more than kMostFree there goes to a shared list, in chains of kBatch,
// and an empty list takes one of these before the table grows (objects made on one CPU and
// destroyed on another would make it grow for ever).
//
// Locking: chunk_lock_ guards chunks' numbers and the list of chains, for a few instructions; an
// entry's gate is lock-free; a free list belongs to its CPU. An entry has a cache line of its own:
// neighbouring ids may be of different CPUs.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/allocator.h"
#include "base/bitmap.h"
#include "base/cpu_set.h"
#include "base/result.h"
#include "cobj/id_holds.h"
#include "cobj/miss_gate.h"
#include "cobj/slot.h"
#include "machine/cpu.h"
#include "machine/spin_lock.h"

namespace k42::cobj {

class ObjectTable {
 public:
  static constexpr std::uint32_t kChunkIds = 256;
  static constexpr std::uint32_t kMaxChunks = machine::kObjectTableMaxSlots / kChunkIds;
  static constexpr std::uint32_t kNoIndex = ~0u;
  static constexpr std::uint32_t kMostFree = 2 * kChunkIds;  // in one CPU's list
  static constexpr std::uint32_t kBatch = 64;

  constexpr ObjectTable() = default;

  void SetAllocator(Allocator& allocator) { allocator_ = &allocator; }
  // Makes the slots of all chunks so far empty on `cpu`. Once per CPU, before its first object
  // call.
  Status AddCpu(machine::CpuId cpu);

  // An id whose slots are empty on every CPU and whose gate is closed.
  Result<RefBits> Allocate();
  // No reference to it is left on any stack (two grace periods after its destruction).
  void Free(RefBits bits);

  MissGate& gate(RefBits bits) { return EntryOf(IndexOfBits(bits)).gate; }
  IdHolds& holds(RefBits bits) { return EntryOf(IndexOfBits(bits)).holds; }
  bool Knows(RefBits bits) const;
  // Of this CPU: a list of ids threaded through their entries, for those that wait to be freed.
  std::uint32_t& link(RefBits bits) { return EntryOf(IndexOfBits(bits)).next; }

  // The object behind an id, now; null: none. Any context, no lock: the root may go at any moment.
  Root* Peek(RefBits bits) const;
  // One past the highest id that was ever handed out.
  RefBits end() const { return BitsOfIndex(chunks() * kChunkIds); }

  std::uint32_t chunks() const { return chunk_count_.load(std::memory_order_relaxed); }

 private:
  struct alignas(64) Entry {
    MissGate gate;
    IdHolds holds;
    std::uint32_t next = kNoIndex;   // in a list of ids, while the id is free or about to be
    std::uint32_t chain = kNoIndex;  // of the first id of a shared chain: the next chain's first
  };
  struct Chunk {
    Entry entry[kChunkIds];
  };
  struct alignas(64) FreeIds {
    std::uint32_t first = kNoIndex;
    std::uint32_t count = 0;
  };

  Entry& EntryOf(std::uint32_t index) {
    return chunks_[index / kChunkIds].load(std::memory_order_acquire)->entry[index % kChunkIds];
  }
  Status Grow();
  Result<std::uint32_t> TakeNumber();
  void ReturnNumber(std::uint32_t number);
  Status MakeChunk(std::uint32_t number);
  void GiveChain(FreeIds& free);
  void TakeChain(FreeIds& free);
  static Status MakeSlotsEmpty(machine::CpuId cpu, std::uint32_t chunk);

  Allocator* allocator_ = nullptr;
  machine::SpinLock<LockRank::kReferenceTable> chunk_lock_;
  std::atomic<std::uint32_t> chunk_count_{0};                  // handed out; under chunk_lock_
  Bitmap<kMaxChunks> unfinished_ K42_GUARDED_BY(chunk_lock_);  // handed out, and given back
  std::uint32_t unfinished_count_ K42_GUARDED_BY(chunk_lock_) = 0;
  AtomicCpuSet cpus_;
  FreeIds free_[machine::kMaxCpus];
  std::uint32_t shared_ K42_GUARDED_BY(chunk_lock_) = kNoIndex;  // first id of the first chain
  std::atomic<Chunk*> chunks_[kMaxChunks] = {};
};

}  // namespace k42::cobj
